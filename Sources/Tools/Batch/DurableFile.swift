import Foundation

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
        var prefix = path.utf8.first == UInt8(ascii: "/") ? "/" : ""
        for name in path.utf8.split(separator: UInt8(ascii: "/")) {
            prefix += "\(Substring(name))/"
            guard mkdir(prefix, 0o777) == 0 || errno == EEXIST else { throw fault(path) }
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw fault(path) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .unwritable(path: path, reason: String(cString: strerror(ENOTDIR)))
        }
    }

    static func write(_ data: Data, to path: String) throws(BatchError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw fault(path) }
        defer { close(file) }
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw fault(path) }
            rest = rest.dropFirst(count)
        }
        guard fsync(file) == 0 else { throw fault(path) }
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
            let folder = URL(filePath: target).deletingLastPathComponent().path
            let beside = "\(folder)/.phasor-\(URL(filePath: source).lastPathComponent)"
            try write(bytes, to: beside)
            guard Glibc.rename(beside, target) == 0 else {
                let reason = fault(target)
                unlink(beside)
                throw reason
            }
            unlink(source)
        }
        let folder = open(URL(filePath: target).deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
        guard folder >= 0 else { throw fault(target) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw fault(target) }
    }

    private static func fault(_ path: String) -> BatchError {
        .unwritable(path: path, reason: String(cString: strerror(errno)))
    }
}
