import Foundation
import Support

/// A file that a command is to write. Whether it can be written is found out before anything is computed; it appears whole
/// or not at all.
struct OutputFile {
    /// The path as the user gave it, for messages.
    let path: String
    private let destination: Destination

    private enum Destination {
        case standardOutput
        /// A plain file, or nothing yet; links are resolved.
        case file(String)
        /// A pipe or device, which is open.
        case stream(FileHandle)
    }

    /// - Throws: `OutputError`, with what is in the way.
    init(_ path: String) throws(OutputError) {
        self.path = path
        if path == "-" {
            guard isatty(STDOUT_FILENO) == 0 else { throw OutputError.terminal }
            destination = .standardOutput
            return
        }
        guard !path.isEmpty else { throw OutputError.unwritable(path: path, reason: "the name is empty") }
        var status = stat()
        if stat(path, &status) == 0 {
            switch status.st_mode & S_IFMT {
            case S_IFDIR: throw OutputError.unwritable(path: path, reason: "it is a folder; give the name of a file")
            case S_IFREG: break
            default:
                let file = open(path, O_WRONLY | O_CLOEXEC)
                guard file >= 0 else { throw OutputError.unwritable(path: path, reason: Self.reason) }
                destination = .stream(FileHandle(fileDescriptor: file, closeOnDealloc: true))
                return
            }
            guard access(path, W_OK) == 0 else { throw OutputError.unwritable(path: path, reason: Self.reason) }
        }
        let target = Self.resolved(path)
        try Self.tryFolder(of: target, path)
        destination = .file(target)
    }

    /// Whether it is `-`.
    var isStandardOutput: Bool {
        if case .standardOutput = destination { return true }
        return false
    }

    /// What messages call it.
    var name: String { isStandardOutput ? "standard output" : path }

    // MARK: Writing

    func write(_ bytes: some Collection<UInt8>) throws {
        switch destination {
        case .standardOutput: try write(bytes, to: STDOUT_FILENO)
        case .stream(let handle): try write(bytes, to: handle.fileDescriptor)
        case .file:
            try whole { aside in
                try writing { () throws(FileFault) in try SystemFile.create(aside, holding: bytes, syncing: true) }
            }
        }
    }

    /// Writes a file by its name: `body` writes the file that it is given, which then takes the name, or is copied to
    /// where the output goes. Nothing of the file stays when `body` throws.
    func whole<Result>(_ body: (_ path: String) throws -> Result) throws -> Result {
        var folder = NSTemporaryDirectory()
        if case .file(let target) = destination { folder = Self.folder(of: target) }
        let aside = try Self.makeAside(in: folder, path)
        defer { unlink(aside) }
        let result: Result
        do {
            result = try body(aside)
        } catch {
            // Messages of whoever writes name the file aside, which nobody knows.
            guard "\(error)".contains(aside) else { throw error }
            throw OutputError.failed("\(error)".replacing(aside, with: name))
        }
        switch destination {
        case .standardOutput: try copy(aside, to: STDOUT_FILENO)
        case .stream(let handle): try copy(aside, to: handle.fileDescriptor)
        case .file(let target):
            Self.takeMode(aside, of: target)
            try writing { () throws(FileFault) in try SystemFile.rename(aside, to: target) }
        }
        return result
    }

    private func copy(_ source: String, to file: Int32) throws {
        guard let bytes = FileManager.default.contents(atPath: source) else {
            throw OutputError.unwritable(path: path, reason: "what was written aside cannot be read")
        }
        try write(bytes, to: file)
    }

    private func write(_ bytes: some Collection<UInt8>, to file: Int32) throws {
        try writing { () throws(FileFault) in try SystemFile.write(bytes, to: file, path: path) }
    }

    private func writing(_ body: () throws(FileFault) -> Void) throws(OutputError) {
        do {
            try body()
        } catch {
            throw .unwritable(path: path, reason: error.reason)
        }
    }

    // MARK: Names

    private static var reason: String { String(cString: strerror(errno)) }

    private static func folder(of path: String) -> String {
        let folder = (path as NSString).deletingLastPathComponent
        return folder.isEmpty ? "." : folder
    }

    /// The file that a link leads to: the link stays, and what it leads to is written.
    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    /// A file made and taken away again shows whether there is a folder, and whether it takes files.
    private static func tryFolder(of target: String, _ path: String) throws(OutputError) {
        let folder = folder(of: target)
        var status = stat()
        guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw .unwritable(path: path, reason: "there is no folder \(folder)")
        }
        unlink(try makeAside(in: folder, path))
    }

    private static func makeAside(in folder: String, _ path: String) throws(OutputError) -> String {
        var name = Array("\(folder)/.phasor-XXXXXX".utf8CString)
        let file = mkstemp(&name)
        guard file >= 0 else { throw .unwritable(path: path, reason: reason) }
        close(file)
        return String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The permissions of the file that is replaced, else those of any new file.
    private static func takeMode(_ aside: String, of target: String) {
        var status = stat()
        if stat(target, &status) == 0 {
            chmod(aside, status.st_mode & 0o777)
        } else {
            let mask = umask(0)
            umask(mask)
            chmod(aside, 0o666 & ~mask)
        }
    }
}

/// Why an output cannot be written.
enum OutputError: Error, CustomStringConvertible {
    case unwritable(path: String, reason: String)
    /// What whoever wrote it said.
    case failed(String)
    /// Bytes of a picture say nothing on a screen.
    case terminal

    var description: String {
        switch self {
        case .unwritable(let path, let reason): "\(path == "-" ? "standard output" : path) cannot be written: \(reason)"
        case .failed(let reason): reason
        case .terminal: "standard output is a terminal: send it to a file or a program, or name a file with --output"
        }
    }
}
