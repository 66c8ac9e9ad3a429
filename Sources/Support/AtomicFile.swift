import Foundation

/// Why a file was not written: what was being done, to which path, and the system's reason.
package struct FileFault: Error, Equatable, CustomStringConvertible {
    package let operation: String
    package let path: String
    package let code: Int32

    package init(_ operation: String, _ path: String, code: Int32 = errno) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    package var reason: String { String(cString: strerror(code)) }
    package var description: String { "\(operation) \(path): \(reason)" }
}

/// Files that appear once and whole, or not at all, also when the power fails: the bytes are written aside and synced,
/// renamed, and the folder is synced.
package enum AtomicFile {
    /// What a file is called until it is whole.
    package static func aside(_ path: String) -> String { path + ".partial" }

    /// Writes a file, in place of an older one.
    /// - Parameter mode: of a new file, less the process's mask.
    package static func write(
        _ bytes: some Collection<UInt8>, to path: String, mode: mode_t = 0o644
    ) throws(FileFault) {
        let aside = aside(path)
        do throws(FileFault) {
            try writeAside(Array(bytes), to: aside, mode: mode)
            try publish(aside, as: path)
        } catch {
            unlink(aside)
            throw error
        }
    }

    /// Gives a file that was synced its name, and makes the name durable.
    package static func publish(_ aside: String, as path: String) throws(FileFault) {
        guard rename(aside, path) == 0 else { throw FileFault("renaming to", path) }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFault("opening", folder) }
        defer { close(descriptor) }
        // Some file systems of networks have no sync of folders; there is then no more to be done.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw FileFault("syncing", folder) }
    }

    /// Writes all bytes and syncs them.
    private static func writeAside(_ bytes: [UInt8], to path: String, mode: mode_t) throws(FileFault) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw FileFault("creating", path) }
        defer { close(descriptor) }
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes {
                Foundation.write(descriptor, $0.baseAddress?.advanced(by: start), $0.count - start)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileFault("writing", path) }
            start += count
        }
        guard fsync(descriptor) == 0 else { throw FileFault("syncing", path) }
    }
}
