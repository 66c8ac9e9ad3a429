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

/// Writing, syncing, renaming and creating by the system's calls. Each call does all that it is asked, or throws the
/// system's reason.
package enum SystemFile {
    /// Writes all bytes to an open file or stream.
    /// - Parameter path: what the error names.
    package static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String
    ) throws(FileFault) {
        var rest = bytes
        while let base = rest.baseAddress, !rest.isEmpty {
            // The system takes at most 2 GB at once.
            let count = Glibc.write(descriptor, base, min(rest.count, 1 << 30))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileFault("writing", path) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }

    package static func write(
        _ bytes: some Collection<UInt8>, to descriptor: Int32, path: String
    ) throws(FileFault) {
        try Array(bytes).withUnsafeBufferPointer { bytes throws(FileFault) in
            try write(UnsafeRawBufferPointer(bytes), to: descriptor, path: path)
        }
    }

    /// Writes a file, over one that is there.
    /// - Parameters:
    ///   - mode: of a new file, less the process's mask.
    ///   - syncing: whether the bytes are on the disk when the call returns.
    package static func create(
        _ path: String, holding bytes: some Collection<UInt8>, mode: mode_t = 0o666, syncing: Bool
    ) throws(FileFault) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw FileFault("creating", path) }
        defer { close(descriptor) }
        try write(bytes, to: descriptor, path: path)
        guard !syncing || fsync(descriptor) == 0 else { throw FileFault("syncing", path) }
    }

    /// Gives a file another name, over a file that has it.
    package static func rename(_ source: String, to target: String) throws(FileFault) {
        guard Glibc.rename(source, target) == 0 else { throw FileFault("renaming to", target) }
    }

    /// Makes a file's bytes durable, or the names in a folder.
    /// - Returns: the length in bytes.
    @discardableResult
    package static func sync(_ path: String) throws(FileFault) -> Int {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFault("opening", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileFault("syncing", path) }
        // Some file systems of networks have no sync of folders; there is then no more to be done.
        guard fsync(descriptor) == 0 || (errno == EINVAL && status.st_mode & S_IFMT == S_IFDIR) else {
            throw FileFault("syncing", path)
        }
        return Int(status.st_size)
    }

    /// The names in a folder, in no order.
    package static func names(in path: String) throws(FileFault) -> [String] {
        guard let folder = opendir(path) else { throw FileFault("listing", path) }
        defer { closedir(folder) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw FileFault("listing", path) }
        return names
    }

    /// The folder that holds a file.
    package static func folder(of path: String) -> String {
        URL(fileURLWithPath: path).deletingLastPathComponent().path
    }

    /// Creates a folder and those above it. mkdir's errors name the cause; Foundation's do not on Linux.
    /// - Parameters:
    ///   - mode: of the folder, if it is new, less the process's mask.
    ///   - parents: the same of the folders above it.
    package static func makeFolder(
        _ path: String, mode: mode_t = 0o777, parents: mode_t = 0o777
    ) throws(FileFault) {
        let path = URL(fileURLWithPath: path).path
        let parts = path.utf8.split(separator: UInt8(ascii: "/"))
        var prefix = ""
        for (index, part) in parts.enumerated() {
            prefix += "/\(Substring(part))"
            // Where a folder above may not be written to, or the file system is read-only, it may be there all the same.
            guard mkdir(prefix, index == parts.count - 1 ? mode : parents) != 0 else { continue }
            let code = errno
            guard code == EEXIST || access(prefix, F_OK) == 0 else {
                throw FileFault("creating the folder", path, code: code)
            }
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw FileFault("creating the folder", path) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw FileFault("creating the folder", path, code: ENOTDIR)
        }
    }
}
