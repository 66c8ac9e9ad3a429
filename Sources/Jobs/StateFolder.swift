import Foundation

/// The folder of jobs and artifacts: whose it is, and what of it is Phasor's.
///
/// It is marked by a small file. An unmarked folder is taken if nothing in it could be meant by a name that Phasor uses;
/// a folder of somebody else is refused, and nothing in it is changed.
struct StateFolder {
    let path: String
    let isPrivate: Bool

    /// The version of the folder's layout; a later Phasor that changes the layout counts on.
    private static let format = 1
    private static let markName = "phasor-state"
    static let databaseName = "jobs.sqlite"
    private static let subfolders = ["artifacts", "checkpoints", "prompts", "pictures"]

    private struct Mark: Codable {
        var about = "Phasor's state folder: jobs, what they made, and how far they are. See `phasor serve --help`."
        var format: Int
    }

    var databasePath: String { "\(path)/\(Self.databaseName)" }
    private var markPath: String { "\(path)/\(Self.markName)" }

    /// Creates the folder if need be, and looks whose it is.
    /// - Throws: `ServingError.storage`, `refusedState`.
    init(path: String, isPrivate: Bool) throws {
        self.path = path
        self.isPrivate = isPrivate
        try FileFolder.create(path, isPrivate: isPrivate)
        guard try !isMarked() else { return }
        // A folder of a version that left no mark has the database, which is looked at when it is opened.
        guard !hasDatabase else { return }
        if let name = try foreignName() {
            throw ServingError.refusedState(
                folder: path,
                reason: "it is not Phasor's: it holds \(name); give --state a folder of its own, new or empty")
        }
    }

    /// Whether there is a database with anything in it.
    var hasDatabase: Bool {
        var status = stat()
        return stat(databasePath, &status) == 0 && status.st_size > 0
    }

    /// Marks the folder as Phasor's. Without room for it, it is marked at the next start.
    func mark() {
        guard (try? isMarked()) == false else { return }
        guard let text = try? JSONEncoder().encode(Mark(format: Self.format)) else { return }
        let folder = FileFolder(existing: path, isPrivate: isPrivate)
        do {
            try folder.write(Array(text) + [0x0A], as: Self.markName)
            try folder.takeName(Self.markName)
        } catch {
            folder.removeAside([Self.markName])
        }
    }

    private func isMarked() throws -> Bool {
        guard let data = FileManager.default.contents(atPath: markPath) else {
            guard access(markPath, F_OK) == 0 else { return false }
            throw ServingError.storage(operation: "reading \(markPath)", reason: String(cString: strerror(errno)))
        }
        guard let mark = try? JSONDecoder().decode(Mark.self, from: data) else {
            throw ServingError.refusedState(folder: path, reason: "its \(Self.markName) is damaged or not Phasor's")
        }
        guard mark.format <= Self.format else {
            throw ServingError.refusedState(
                folder: path,
                reason: "a newer version of Phasor made it (format \(mark.format), this one knows \(Self.format)); "
                    + "serve it with that version, or give --state another folder")
        }
        return true
    }

    /// What lies where Phasor keeps its files under a name that it would not have given.
    private func foreignName() throws -> String? {
        for folder in Self.subfolders {
            for name in try FileFolder.names(in: "\(path)/\(folder)").sorted() {
                // What file systems and desktops put into every folder.
                if name == "lost+found" || name.hasPrefix(".") { continue }
                let whole = OwnName.finished(name).map(String.init) ?? name
                guard OwnName.artifact(whole) == nil, OwnName.picture(whole) == nil, !OwnName.isJob(whole),
                    !OwnName.isEmbedding(whole),
                    !OwnName.isFormerEmbedding(whole)
                else { continue }
                return "\(folder)/\(name)"
            }
        }
        return nil
    }

    /// Whether the file system has next to no room: what fails then may succeed later.
    static func isFull(_ path: String) -> Bool {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return false }
        return status.f_bavail * UInt(status.f_frsize) < 256 << 10
    }
}
