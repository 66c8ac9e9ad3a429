import Foundation
import Support

/// A folder in which a name stands for a whole file: files are written under another name, and renamed.
package struct FileFolder: Sendable {
    let path: String
    /// Closed to other accounts of the machine: prompts and pictures are nobody else's business.
    let isPrivate: Bool
    private static let aside = OwnName.aside
    private static let others: mode_t = 0o077

    /// Creates the folder if need be, and closes one that was open to others if it is to be private.
    /// - Throws: `ServingError.storage`.
    init(path: String, isPrivate: Bool) throws {
        self.path = path
        self.isPrivate = isPrivate
        try Self.create(path, isPrivate: isPrivate)
        closeToOthers([])
    }

    /// A folder that is there.
    init(existing path: String, isPrivate: Bool) {
        self.path = path
        self.isPrivate = isPrivate
    }

    /// Creates a folder and those above it.
    static func create(_ path: String, isPrivate: Bool) throws {
        try storing { () throws(FileFault) in
            try SystemFile.makeFolder(path, mode: isPrivate ? 0o700 : 0o755, parents: 0o755)
        }
    }

    /// Takes the rights of other accounts from what an earlier version left open. A folder of another owner stays as it is.
    func closeToOthers(_ names: [String]) {
        guard isPrivate else { return }
        for path in [path] + names.map(path(of:)) {
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & Self.others != 0 else { continue }
            chmod(path, status.st_mode & ~(S_IFMT | Self.others))
        }
    }

    /// The names in a folder; none if it is not there.
    /// - Throws: `ServingError.storage`.
    static func names(in path: String) throws -> [String] {
        try storing { () throws(FileFault) in
            do throws(FileFault) {
                return try SystemFile.names(in: path)
            } catch {
                guard error.code == ENOENT else { throw error }
                return []
            }
        }
    }

    package func names() throws -> [String] { try Self.names(in: path) }

    package func path(of name: String) -> String { "\(path)/\(name)" }

    /// Where the file is to be written before `publish`.
    package func pathAside(of name: String) -> String { "\(path)/\(name)\(Self.aside)" }

    /// Writes `bytes` aside.
    package func write(_ bytes: [UInt8], as name: String) throws {
        try Self.storing { () throws(FileFault) in
            try SystemFile.create(
                pathAside(of: name), holding: bytes, mode: isPrivate ? 0o600 : 0o644, syncing: false)
        }
    }

    /// Puts a file in its place that can be done without; nothing is synced.
    package func place(_ bytes: [UInt8], as name: String) throws {
        try write(bytes, as: name)
        try takeName(name)
    }

    /// Gives a file that was written aside its name, over an older one.
    func takeName(_ name: String) throws {
        try Self.storing { () throws(FileFault) in try SystemFile.rename(pathAside(of: name), to: path(of: name)) }
    }

    /// Makes files that were written aside durable and gives them their names.
    /// - Returns: their lengths.
    package func publish(_ names: [String]) throws -> [Int] {
        var sizes: [Int] = []
        for name in names {
            // FFmpeg creates its file for everybody.
            if isPrivate { chmod(pathAside(of: name), 0o600) }
            sizes.append(try Self.sync(pathAside(of: name)))
            try takeName(name)
        }
        try sync()
        return sizes
    }

    /// Removes files; what is not there is no error.
    /// - Returns: why the first that stays does.
    @discardableResult
    package func remove(_ names: [String]) -> ServingError? {
        var failure: ServingError?
        for name in names where unlink(path(of: name)) != 0 && errno != ENOENT {
            failure = failure ?? fault("removing \(path(of: name))")
        }
        return failure
    }

    package func removeAside(_ names: [String]) {
        for name in names { unlink(pathAside(of: name)) }
    }

    /// Makes renames and removals durable.
    func sync() throws { _ = try Self.sync(path) }

    /// Bytes of a file; 0 if there is none.
    func size(of name: String) -> Int {
        var status = stat()
        return lstat(path(of: name), &status) == 0 ? Int(status.st_size) : 0
    }

    /// Seconds since a file was last written to, by the clock; nil if there is no such file.
    func age(of name: String, now: Double) -> Double? {
        var status = stat()
        guard lstat(path(of: name), &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return now - Double(status.st_mtim.tv_sec) - Double(status.st_mtim.tv_nsec) / 1e9
    }

    /// Makes a file or folder durable.
    /// - Returns: its length.
    private static func sync(_ path: String) throws -> Int {
        try storing { () throws(FileFault) in try SystemFile.sync(path) }
    }

    /// Tells what the system refused as a fault of storage.
    private static func storing<T>(_ body: () throws(FileFault) -> T) throws(ServingError) -> T {
        do {
            return try body()
        } catch {
            throw .storage(operation: "\(error.operation) \(error.path)", reason: error.reason)
        }
    }

    private func fault(_ operation: String) -> ServingError {
        ServingError.storage(operation: operation, reason: String(cString: strerror(errno)))
    }
}

/// Keeps a second process off a state folder, for as long as this lives. The system lets go of it when the process
/// ends, however it ends.
final class FolderLock: Sendable {
    private let file: Int32

    /// - Throws: `ServingError.stateInUse`, `storage`.
    init(folder: String) throws {
        let path = "\(folder)/lock"
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
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
