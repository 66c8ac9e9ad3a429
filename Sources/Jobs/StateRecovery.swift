import Foundation
import GRDB
import Media
import Support

/// Makes the database of a state folder again, from what can be read of it and from what the finished files carry.
///
/// Nothing is deleted: a damaged database and files that do not say how they were made are put aside in the folder.
package enum StateRecovery {
    package struct Report: Sendable, Equatable {
        /// Jobs that were made again from their files.
        package var recovered: [String] = []
        /// Jobs that the database knew.
        package var known = 0
        /// Files that do not say how they were made, and why not; they lie in `unrecovered/` now.
        package var unreadable: [String: String] = [:]
        /// Where the damaged database lies now; nil if there was none.
        package var putAside: String?
    }

    /// - Throws: `ServingError.storage`, `stateInUse`, `refusedState`.
    package static func run(folder path: String, isPrivate: Bool = true) throws -> Report {
        guard access(path, F_OK) == 0 else {
            throw ServingError.storage(operation: "opening \(path)", reason: String(cString: strerror(errno)))
        }
        let folder = try StateFolder(path: path, isPrivate: isPrivate)
        let lock = try FolderLock(folder: path)
        defer { lock.release() }
        let artifacts = try FileFolder(path: "\(path)/artifacts", isPrivate: isPrivate)
        let files = try artifacts.names().filter { OwnName.artifact($0) != nil }.sorted()
        var report = Report()
        do {
            try JobDatabase.inspect(folder, files: files)
        } catch JobDatabase.Fault.damaged {
            report.putAside = try putAside(folder)
        } catch JobDatabase.Fault.missing, JobDatabase.Fault.older {
        } catch let fault as JobDatabase.Fault {
            throw fault.refusal(of: folder)
        }
        let pool = try JobDatabase.open(folder)
        if let old = report.putAside { try JobStore.storage("reading \(old)") { try salvage(old, into: pool) } }
        try JobStore.storage("writing \(folder.databasePath)") {
            try pool.write { db in
                let known = try String.fetchSet(db, sql: "SELECT CAST(id AS TEXT) FROM job")
                report.known = known.count
                let lost = Dictionary(grouping: files) { OwnName.artifact($0)?.job ?? "" }.filter {
                    !known.contains($0.key)
                }
                for (job, files) in lost.sorted(by: { $0.key < $1.key }) {
                    if try recover(job, files, artifacts, db, &report) { report.recovered.append(job) }
                }
                try list(files.filter { OwnName.artifact($0).map { known.contains($0.job) } ?? false }, artifacts, db)
            }
        }
        try pool.close()
        folder.mark()
        return report
    }

    // MARK: Files

    /// Gives finished jobs the files that the damage has taken from them.
    private static func list(_ files: [String], _ artifacts: FileFolder, _ db: Database) throws {
        let listed = try String.fetchSet(db, sql: "SELECT CAST(file AS TEXT) FROM artifact")
        for file in files where !listed.contains(file) {
            guard let (job, index) = OwnName.artifact(file) else { continue }
            let state = try String.fetchOne(
                db, sql: "SELECT CAST(state AS TEXT) FROM job WHERE id = ?", arguments: [job])
            guard state == Job.State.succeeded.rawValue else { continue }
            try insert(file, of: job, ordinal: index, artifacts, db)
        }
    }

    private static func insert(
        _ file: String, of job: String, ordinal: Int, _ artifacts: FileFolder, _ db: Database
    ) throws {
        try db.execute(
            sql: "INSERT INTO artifact (id, job, ordinal, file, content_type, bytes) VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [
                (file as NSString).deletingPathExtension, job, ordinal, file,
                ContentType.of(file),
                modified(artifacts.path(of: file))?.bytes ?? 0,
            ])
    }

    /// - Returns: false if none of the files says how it was made.
    private static func recover(
        _ job: String, _ files: [String], _ artifacts: FileFolder, _ db: Database, _ report: inout Report
    ) throws -> Bool {
        var readable: [(file: String, record: FileRecord)] = []
        for file in files {
            do {
                readable.append((file, try FileRecord(path: artifacts.path(of: file))))
            } catch {
                report.unreadable[file] = "\(error)"
                try setAside(file, artifacts)
            }
        }
        guard let (first, record) = readable.first, let index = OwnName.artifact(first)?.index else { return false }
        var request = record.request
        request.seed &-= UInt64(index)
        request.count = min(max(readable.count, 1), GenerationRequest.counts.upperBound)
        let times = readable.compactMap { modified(artifacts.path(of: $0.file)) }
        let finishedAt = times.map(\.seconds).max() ?? Date().timeIntervalSince1970
        try db.execute(
            sql: """
                INSERT INTO job (id, kind, state, steps, parameters, timings, created_at, started_at, finished_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                job, request.kind.rawValue, Job.State.succeeded.rawValue, max(0, record.steps), JobStore.json(request),
                JobStore.json(Timings()), finishedAt, finishedAt, finishedAt,
            ])
        for (ordinal, (file, _)) in readable.enumerated() {
            try insert(file, of: job, ordinal: ordinal, artifacts, db)
        }
        return true
    }

    private static func modified(_ path: String) -> (seconds: Double, bytes: Int)? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return (Double(status.st_mtim.tv_sec), Int(status.st_size))
    }

    private static func setAside(_ file: String, _ artifacts: FileFolder) throws {
        let aside = try FileFolder(path: "\(artifacts.path)/../unrecovered", isPrivate: artifacts.isPrivate)
        guard rename(artifacts.path(of: file), aside.path(of: file)) == 0 else {
            throw ServingError.storage(
                operation: "moving \(file) to \(aside.path)", reason: String(cString: strerror(errno)))
        }
    }

    // MARK: A damaged database

    /// - Returns: its path now.
    private static func putAside(_ folder: StateFolder) throws -> String {
        let time = Date().ISO8601Format(.iso8601.year().month().day().time(includingFractionalSeconds: false))
        let target = "\(folder.databasePath).damaged-\(time.filter { $0 != ":" })"
        for ending in ["-wal", "-shm", ""] {
            guard rename(folder.databasePath + ending, target + ending) == 0 || errno == ENOENT else {
                throw ServingError.storage(
                    operation: "moving \(folder.databasePath)\(ending)", reason: String(cString: strerror(errno)))
            }
        }
        return target
    }

    /// Takes over the rows that can still be read, as far as the damage lets them be reached.
    private static func salvage(_ path: String, into pool: DatabasePool) throws {
        var configuration = Configuration()
        configuration.readonly = true
        guard let old = try? DatabaseQueue(path: path, configuration: configuration) else { return }
        for table in ["job", "artifact"] {
            let columns = try pool.read { try $0.columns(in: table).map(\.name) }
            var rows: [Row] = []
            try? old.read { db in
                let cursor = try Row.fetchCursor(db, sql: "SELECT * FROM \(table)")
                while let row = try cursor.next() { rows.append(row.copy()) }
            }
            try pool.write { db in
                for row in rows {
                    let names = row.columnNames.filter(columns.contains)
                    let values = names.map { row[$0] as DatabaseValue? }
                    // One that contradicts another, or is not whole, is left out.
                    try? db.execute(
                        sql: """
                            INSERT INTO \(table) (\(names.joined(separator: ", ")))
                            VALUES (\(names.map { _ in "?" }.joined(separator: ", ")))
                            """,
                        arguments: StatementArguments(values))
                }
            }
        }
    }
}
