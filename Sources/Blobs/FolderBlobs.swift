import Foundation
import Support

/// Blobs in a folder that several machines may share: each writer writes aside under a name of its own, syncs, and renames.
package struct FolderBlobs: BlobStore {
    private let path: String

    package var location: String { "file://\(path)" }

    /// Creates the folder if its own folder is there: a disk that is not mounted is no place for files.
    /// - Throws: `BlobFault`.
    package init(path: String) throws(BlobFault) {
        self.path = path.hasSuffix("/") ? String(path.dropLast()) : path
        guard mkdir(self.path, 0o700) == 0 || errno == EEXIST else { throw Self.fault(self.path) }
        var status = stat()
        guard stat(self.path, &status) == 0 else { throw Self.fault(self.path) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw Self.fault(self.path, code: ENOTDIR) }
    }

    package func put(_ bytes: [UInt8], as name: BlobName) throws(BlobFault) {
        // No blob's name begins with a dot.
        let aside = "\(path)/.\(UInt64.random(in: .min ... .max)).partial"
        do throws(FileFault) {
            try SystemFile.create(aside, holding: bytes, mode: 0o600, syncing: true)
            try AtomicFile.publish(aside, as: file(name))
        } catch {
            unlink(aside)
            throw BlobFault(error.path, error.reason)
        }
    }

    package func read(_ name: BlobName, _ range: Range<Int>?) throws(BlobFault) -> [UInt8]? {
        let descriptor = open(file(name), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Self.fault(file(name))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.fault(file(name)) }
        let range = (range ?? 0..<Int(status.st_size)).clamped(to: 0..<Int(status.st_size))
        var bytes = [UInt8](repeating: 0, count: range.count)
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress?.advanced(by: start), $0.count - start, range.lowerBound + start)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.fault(file(name)) }
            guard count > 0 else { throw BlobFault(file(name), "it became shorter while it was read") }
            start += count
        }
        return bytes
    }

    package func size(of name: BlobName) throws(BlobFault) -> Int? {
        var status = stat()
        guard stat(file(name), &status) == 0 else {
            if errno == ENOENT { return nil }
            throw Self.fault(file(name))
        }
        return Int(status.st_size)
    }

    package func names(startingWith prefix: BlobName) throws(BlobFault) -> [BlobName] {
        do throws(FileFault) {
            let names = try SystemFile.names(in: path)
            return names.filter { $0.hasPrefix(prefix.description) }.compactMap { BlobName($0) }
        } catch {
            throw BlobFault(error.path, error.reason)
        }
    }

    package func link(to name: BlobName, seconds: Int) -> String? { nil }

    package func delete(_ name: BlobName) throws(BlobFault) {
        guard unlink(file(name)) == 0 || errno == ENOENT else { throw Self.fault(file(name)) }
    }

    // MARK: Files

    private func file(_ name: BlobName) -> String { "\(path)/\(name)" }

    private static func fault(_ place: String, code: Int32 = errno) -> BlobFault {
        BlobFault(place, String(cString: strerror(code)))
    }
}
