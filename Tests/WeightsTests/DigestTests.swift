import Foundation
import Tensor
import Testing
import Weights

/// What telling weights by their content takes from the disk.
@Suite struct DigestTests {
    private let path = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID()).gguf").path

    /// The share of the file's pages that are in the page cache, when no more of them come: the system goes on reading ahead
    /// after a page that was asked for is there.
    private func settled() throws -> Double {
        var (share, last) = (try cached(), -1.0)
        while share != last {
            Thread.sleep(forTimeInterval: 0.1)
            (share, last) = (try cached(), share)
        }
        return share
    }

    private func cached() throws -> Double {
        let file = try #require(FileHandle(forReadingAtPath: path))
        let size = Int(try file.seekToEnd())
        let base = try #require(mmap(nil, size, PROT_READ, MAP_SHARED, file.fileDescriptor, 0))
        defer { munmap(base, size) }
        var pages = [UInt8](repeating: 0, count: (size + 4095) / 4096)
        try #require(base != MAP_FAILED && mincore(base, size, &pages) == 0)
        return Double(pages.count { $0 & 1 == 1 }) / Double(pages.count)
    }

    /// Four blocks of each tensor, and not what the system would read ahead at a fault in each. Nothing is told by this where
    /// the file cannot be put out of the cache, as in a file system of memory.
    @Test func fourBlocksOfEachTensorAreRead() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let names = (0..<8).map { "blocks.\($0).weight" }
        let writer = try WeightFileWriter(
            path: path, format: .gguf, entries: names.map { .init(name: $0, type: .f32, shape: [1024, 1024]) },
            metadata: ["general.architecture": "none"])
        for index in names.indices {
            try writer.append(Weight(name: "", Tensor(repeating: Float(index), shape: [1024, 1024])).bytes)
        }
        try writer.finish()
        let file = try #require(FileHandle(forReadingAtPath: path))
        posix_fadvise(file.fileDescriptor, 0, 0, POSIX_FADV_DONTNEED)
        guard try cached() < 0.01 else { return }
        let checkpoint = try Checkpoint(file: path)
        let opened = try settled()
        #expect(!checkpoint.contentDigest.isEmpty)
        // Of 32 MB, 128 KB.
        #expect(try settled() - opened < 0.02)
    }
}
