import Foundation
import GRDB

/// SQLite's rows, as a job is read from them.
extension Row: StoredRow {
    /// Returns nil where a column is missing, NULL or of another kind; GRDB's subscripts end the process there.
    func value<T: DatabaseValueConvertible>(_ column: String) -> T? {
        guard hasColumn(column), let value = self[column] as DatabaseValue? else { return nil }
        return T.fromDatabaseValue(value)
    }

    package func text(_ column: String) -> String? { value(column) }
    package func integer(_ column: String) -> Int? { value(column) }
    package func number(_ column: String) -> Double? { value(column) }
}

/// Looks jobs up, with their artifacts.
struct JobRows: Sendable {
    /// Where the files lie that rows name.
    let artifacts: FileFolder
    /// Seconds that artifacts are kept; nil where that is not known.
    let retentionSeconds: Double?

    // MARK: Looking up

    /// - Throws: `ServingError.unknownJob`.
    func job(_ id: String, _ db: Database) throws -> Job {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM job WHERE id = ?", arguments: [id]) else {
            throw ServingError.unknownJob(id)
        }
        return try shownJob(from: row, db)
    }

    /// - Throws: `ServingError.unknownJob` for `after`.
    func page(
        kind: GenerationRequest.Kind?, owner: String?, limit: Int, after: String?, oldestFirst: Bool, _ db: Database
    ) throws -> JobPage {
        // One more than asked for tells whether there are more.
        let limit = min(max(limit, 1), 1000)
        var conditions: [SQL] = ["1"]
        if let kind { conditions.append("kind = \(kind.rawValue)") }
        if let owner { conditions.append("owner = \(owner)") }
        if let after {
            let sql = "SELECT sequence FROM job WHERE id = ? AND (? IS NULL OR owner = ?)"
            guard let last = try Int64.fetchOne(db, sql: sql, arguments: [after, owner, owner]) else {
                throw ServingError.unknownJob(after)
            }
            conditions.append(oldestFirst ? "sequence > \(last)" : "sequence < \(last)")
        }
        let filter = conditions.joined(separator: " AND ")
        let order: SQL = oldestFirst ? "sequence" : "sequence DESC"
        let request: SQLRequest<Row> = "SELECT * FROM job WHERE \(filter) ORDER BY \(order)"
        var jobs: [Job] = []
        var unreadable: [String] = []
        let rows = try request.fetchCursor(db)
        while jobs.count <= limit, unreadable.count < 1000, let row = try rows.next() {
            do {
                jobs.append(try job(from: row, db))
            } catch is UnreadableRow {
                if let id = row.text("id") { unreadable.append(id) }
            }
        }
        return JobPage(jobs: Array(jobs.prefix(limit)), hasMore: jobs.count > limit, unreadable: unreadable)
    }

    // MARK: Reading

    /// - Throws: `UnreadableRow`.
    func job(from row: Row, _ db: Database) throws -> Job {
        try completed(StoredJob.job(from: row), db)
    }

    /// The job, or as much of it as can be read, as one that has failed unless it has ended otherwise.
    func shownJob(from row: Row, _ db: Database) throws -> Job {
        try completed(StoredJob.shownJob(from: row), db)
    }

    private func completed(_ job: Job, _ db: Database) throws -> Job {
        var job = job
        let files = try Row.fetchAll(
            db, sql: "SELECT * FROM artifact WHERE job = ? ORDER BY ordinal", arguments: [job.id])
        job.artifacts = files.compactMap(artifact(from:))
        job.expiresAt = expiry(of: job)
        return job
    }

    /// Returns nil for a row that names no file in the folder.
    func artifact(from row: Row) -> Artifact? { StoredJob.artifact(from: row, path: artifacts.path(of:)) }

    func expiry(of job: Job) -> Date? { StoredJob.expiry(of: job, after: retentionSeconds) }
}
