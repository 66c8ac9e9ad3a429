import Foundation
import Synchronization
import Tensor

/// A file mapped read-only into memory. Opening reads nothing: pages come in when they are touched, and the page cache
/// is the weight cache. A `Residency` may take charge of parts of it; their bytes then come and go as it says, always
/// at the same address.
package final class MappedFile: WeightMemory, @unchecked Sendable {
    package let path: String
    package let bytes: UnsafeRawBufferPointer
    let descriptor: Int32
    private let keeper = Mutex<Keeper>(Keeper())

    private struct Keeper {
        weak var memory: (any WeightMemory)?
    }

    /// - Throws: `WeightError.unreadable` with the system's reason, also for an empty file or a folder.
    package init(path: String) throws(WeightError) {
        // Opening a pipe would wait for who writes to it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(file: path, reason: systemReason()) }
        var isOpen = false
        defer { if !isOpen { close(descriptor) } }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(file: path, reason: systemReason()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(file: path, reason: "not a regular file") }
        guard status.st_size > 0 else { throw .malformed(file: path, reason: "the file is empty") }
        let size = Int(status.st_size)
        guard let base = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
            throw .unreadable(file: path, reason: systemReason())
        }
        isOpen = true
        self.path = path
        self.descriptor = descriptor
        self.bytes = UnsafeRawBufferPointer(start: base, count: size)
    }

    deinit {
        if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
        close(descriptor)
    }

    // MARK: Who decides what is in memory

    /// Makes readers ask `memory` first from now on. The file does not keep `memory` alive.
    func put(under memory: any WeightMemory) { keeper.withLock { $0.memory = memory } }

    package func hold(_ bytes: UnsafeRawBufferPointer) { keeper.withLock { $0.memory }?.hold(bytes) }
    package func release(_ bytes: UnsafeRawBufferPointer) { keeper.withLock { $0.memory }?.release(bytes) }
}

func systemReason() -> String { String(cString: strerror(errno)) }
