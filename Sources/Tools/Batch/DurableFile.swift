import Foundation
import Support

/// What stands under a path; a link is what it is, not what it leads to.
enum PathKind {
    case nothing, file, folder, other

    init(of path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            self = .nothing
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: self = .file
        case S_IFDIR: self = .folder
        default: self = .other
        }
    }
}

/// Files that are on disk when the call returns, with the system's own reason where they are not.
enum DurableFile {
    /// Creates a folder and those above it.
    static func makeFolder(_ path: String) throws(BatchError) {
        try writing(path) { () throws(FileFault) in try SystemFile.makeFolder(path) }
    }

    static func write(_ data: Data, to path: String) throws(BatchError) {
        try writing(path) { () throws(FileFault) in try SystemFile.create(path, holding: data, syncing: true) }
    }

    /// A second name for a file that is on disk already, which costs nothing; a copy where the file system has no such
    /// links. It may be read by whoever may read `model`.
    static func copy(
        _ source: String, _ bytes: Data, to target: String, likeModeOf model: String
    ) throws(BatchError) {
        unlink(target)
        if link(source, target) != 0 { try write(bytes, to: target) }
        var status = stat()
        guard stat(model, &status) == 0, chmod(target, status.st_mode & 0o777) == 0 else { throw fault(target) }
    }

    /// Renames, also from one file system to another, over what is there.
    static func move(_ source: String, to target: String) throws(BatchError) {
        if Glibc.rename(source, target) != 0 {
            guard errno == EXDEV, let bytes = FileManager.default.contents(atPath: source) else { throw fault(target) }
            let beside = "\(SystemFile.folder(of: target))/.phasor-\(URL(filePath: source).lastPathComponent)"
            try write(bytes, to: beside)
            guard Glibc.rename(beside, target) == 0 else {
                let reason = fault(target)
                unlink(beside)
                throw reason
            }
            unlink(source)
        }
        try writing(target) { () throws(FileFault) in try SystemFile.sync(SystemFile.folder(of: target)) }
    }

    @discardableResult
    private static func writing<T>(_ path: String, _ body: () throws(FileFault) -> T) throws(BatchError) -> T {
        do {
            return try body()
        } catch {
            throw .unwritable(path: path, reason: error.reason)
        }
    }

    private static func fault(_ path: String) -> BatchError {
        .unwritable(path: path, reason: String(cString: strerror(errno)))
    }
}
