import Foundation

/// A folder in which a name stands for a whole file: files are written under another name, and renamed.
struct FileFolder: Sendable {
    let path: String
    private static let aside = ".partial"

    /// Creates the folder if need be.
    /// - Throws: `ServingError.storage`.
    init(path: String) throws {
        self.path = path
        try Self.create(path)
    }

    /// Creates a folder and those above it. By mkdir, whose errors name the cause; Foundation's do not on Linux.
    static func create(_ path: String) throws {
        let path = URL(fileURLWithPath: path).path
        let parts = path.split(separator: "/")
        for count in parts.indices.map({ $0 + 1 }) {
            let prefix = "/" + parts.prefix(count).joined(separator: "/")
            guard mkdir(prefix, 0o755) == 0 || errno == EEXIST else { throw fault("creating the folder \(path)") }
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw fault("creating the folder \(path)") }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw ServingError.storage(
                operation: "creating the folder \(path)", reason: String(cString: strerror(ENOTDIR)))
        }
    }

    func path(of name: String) -> String { "\(path)/\(name)" }

    /// Where the file is to be written before `publish`.
    func pathAside(of name: String) -> String { "\(path)/\(name)\(Self.aside)" }

    /// Writes `bytes` aside.
    func write(_ bytes: [UInt8], as name: String) throws {
        let path = pathAside(of: name)
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw fault("creating \(path)") }
        defer { close(file) }
        try bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw fault("writing \(path)") }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Gives a file that was written aside its name, over an older one.
    func takeName(_ name: String) throws {
        guard rename(pathAside(of: name), path(of: name)) == 0 else { throw fault("renaming to \(path(of: name))") }
    }

    /// Makes files that were written aside durable and gives them their names.
    /// - Returns: their lengths.
    func publish(_ names: [String]) throws -> [Int] {
        var sizes: [Int] = []
        for name in names {
            sizes.append(try Self.sync(pathAside(of: name)))
            try takeName(name)
        }
        _ = try Self.sync(path)
        return sizes
    }

    /// What is not there is no error: a crash may have come between a row and its file.
    func remove(_ names: [String]) {
        for name in names { unlink(path(of: name)) }
    }

    /// Of all the names that were found, those of files that never became whole.
    func removeUnfinished(_ names: [String]) { remove(names.filter { $0.hasSuffix(Self.aside) }) }

    func removeAside(_ names: [String]) {
        for name in names { unlink(pathAside(of: name)) }
    }

    /// Removes all files but these. Only at start, when nothing is being written.
    func keep(only names: Set<String>) throws {
        let present: [String]
        do {
            present = try FileManager.default.contentsOfDirectory(atPath: path)
        } catch {
            throw ServingError.storage(operation: "listing \(path)", reason: error.localizedDescription)
        }
        remove(present.filter { !names.contains($0) })
    }

    /// fsync of a file or folder.
    /// - Returns: its length.
    private static func sync(_ path: String) throws -> Int {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw fault("opening \(path)") }
        defer { close(file) }
        var status = stat()
        guard fsync(file) == 0, fstat(file, &status) == 0 else { throw fault("syncing \(path)") }
        return Int(status.st_size)
    }

    private static func fault(_ operation: String) -> ServingError {
        ServingError.storage(operation: operation, reason: String(cString: strerror(errno)))
    }

    private func fault(_ operation: String) -> ServingError { Self.fault(operation) }
}

/// Keeps a second process off a state folder, for as long as this lives. The system lets go of it when the process
/// ends, however it ends.
final class FolderLock: Sendable {
    private let file: Int32

    /// - Throws: `ServingError.stateInUse`, `storage`.
    init(folder: String) throws {
        let path = "\(folder)/lock"
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else {
            throw ServingError.storage(operation: "creating \(path)", reason: String(cString: strerror(errno)))
        }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            close(file)
            throw ServingError.stateInUse(folder: folder)
        }
    }

    /// Lets others in, before this goes.
    func release() { flock(file, LOCK_UN) }

    deinit { close(file) }
}
