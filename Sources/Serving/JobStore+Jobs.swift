import Foundation
import GRDB

/// A job's way through the table.
extension JobStore {
    /// What `insert` found or did.
    struct Acceptance: Sendable {
        let job: Job
        let sequence: Int64
        /// The job was there before: its idempotency key was used already.
        let isKnown: Bool
    }

    func insert(_ job: Job, idempotency: Idempotency?) async throws -> Acceptance {
        try await write("storing a job") { db in
            if let idempotency, let known = try self.known(idempotency, db) { return known }
            try db.execute(
                sql: """
                    INSERT INTO job
                    (id, kind, priority, owner, state, steps, parameters, created_at, idempotency_key, fingerprint)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    job.id, job.kind.rawValue, job.priority.rawValue, job.owner, job.state.rawValue, job.steps,
                    Self.json(job.request), job.createdAt.timeIntervalSince1970, idempotency?.stored,
                    idempotency?.fingerprint,
                ])
            return Acceptance(job: job, sequence: db.lastInsertedRowID, isKnown: false)
        }
    }

    /// The job that used this key before.
    /// - Throws: `ServingError.idempotencyConflict`.
    func known(_ idempotency: Idempotency) async throws -> Acceptance? {
        try await read("looking up an Idempotency-Key") { try self.known(idempotency, $0) }
    }

    private func known(_ idempotency: Idempotency, _ db: Database) throws -> Acceptance? {
        let sql = "SELECT * FROM job WHERE idempotency_key = ?"
        guard let row = try Row.fetchOne(db, sql: sql, arguments: [idempotency.stored]) else { return nil }
        guard row["fingerprint"] == idempotency.fingerprint else {
            throw ServingError.idempotencyConflict(key: idempotency.key)
        }
        return Acceptance(job: try job(from: row, db), sequence: row["sequence"], isKnown: true)
    }

    func markRunning(_ ids: [String], at date: Date) throws {
        try write("starting \(ids.count) jobs") { db in
            for id in ids {
                try db.execute(
                    sql: "UPDATE job SET state = ?, started_at = ? WHERE id = ?",
                    arguments: [Job.State.running.rawValue, date.timeIntervalSince1970, id])
            }
        }
    }

    /// Writes the end of a job, and its artifacts if it has any. Their files must be published.
    func finish(_ job: Job) throws {
        try write("finishing job \(job.id)") { try Self.finish(job, $0) }
    }

    func finish(_ job: Job) async throws {
        try await write("finishing job \(job.id)") { try Self.finish(job, $0) }
    }

    private static func finish(_ job: Job, _ db: Database) throws {
        for (ordinal, artifact) in job.artifacts.enumerated() {
            try db.execute(
                sql: "INSERT INTO artifact (id, job, ordinal, file, content_type, bytes) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [
                    artifact.id, job.id, ordinal, URL(fileURLWithPath: artifact.path).lastPathComponent,
                    artifact.contentType, artifact.bytes,
                ])
        }
        try db.execute(
            sql: "UPDATE job SET state = ?, timings = ?, failure = ?, finished_at = ? WHERE id = ?",
            arguments: [
                job.state.rawValue, json(job.timings), job.failure.map(json), job.finishedAt?.timeIntervalSince1970,
                job.id,
            ])
    }

    // MARK: Start

    /// Puts jobs that were running back into the queue and removes files that belong to no finished job.
    /// - Returns: the queued jobs, first come first.
    func recover() throws -> [(job: Job, sequence: Int64)] {
        let (jobs, files) = try write("recovering jobs") { db in
            try db.execute(
                sql: "UPDATE job SET state = ?, started_at = NULL WHERE state = ?",
                arguments: [Job.State.queued.rawValue, Job.State.running.rawValue])
            let rows = try Row.fetchAll(
                db, sql: "SELECT * FROM job WHERE state = ? ORDER BY sequence", arguments: [Job.State.queued.rawValue])
            let jobs = try rows.map { (job: try job(from: $0, db), sequence: $0["sequence"] as Int64) }
            return (jobs, try String.fetchSet(db, sql: "SELECT file FROM artifact WHERE NOT expired"))
        }
        try artifacts.keep(only: files)
        try checkpoints.keep(only: Set(jobs.map(\.job.id)))
        return jobs
    }

    // MARK: Looking up

    func job(_ id: String) async throws -> Job {
        try await read("reading job \(id)") { db in
            guard let row = try Row.fetchOne(db, sql: "SELECT * FROM job WHERE id = ?", arguments: [id]) else {
                throw ServingError.unknownJob(id)
            }
            return try self.job(from: row, db)
        }
    }

    func jobs(
        kind: GenerationRequest.Kind?, owner: String?, limit: Int, after: String?, oldestFirst: Bool
    ) async throws -> JobPage {
        // One more than asked for tells whether there are more.
        let limit = min(max(limit, 1), 1000)
        return try await read("listing jobs") { db in
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
            let request: SQLRequest<Row> = "SELECT * FROM job WHERE \(filter) ORDER BY \(order) LIMIT \(limit + 1)"
            let jobs = try request.fetchAll(db).map { try self.job(from: $0, db) }
            return JobPage(jobs: Array(jobs.prefix(limit)), hasMore: jobs.count > limit)
        }
    }

    func artifact(_ id: String) async throws -> Artifact {
        let artifact = try await read("reading artifact \(id)") { db in
            try Row.fetchOne(db, sql: "SELECT * FROM artifact WHERE id = ?", arguments: [id]).map(self.artifact(from:))
        }
        guard let artifact else { throw ServingError.unknownArtifact(id) }
        guard !artifact.isExpired else { throw ServingError.expiredArtifact(id) }
        return artifact
    }

    // MARK: Removing

    /// Forgets a job that has finished, and removes its files.
    func delete(_ id: String) async throws {
        let files = try await write("deleting job \(id)") { db in
            let files = try String.fetchAll(db, sql: "SELECT file FROM artifact WHERE job = ?", arguments: [id])
            try db.execute(sql: "DELETE FROM job WHERE id = ?", arguments: [id])
            guard db.changesCount > 0 else { throw ServingError.unknownJob(id) }
            return files
        }
        artifacts.remove(files)
    }

    /// Removes artifacts that are too old, then the oldest ones until the rest is small enough, and forgets jobs that
    /// have been without artifacts for long.
    func retain(now: Date, options: EngineOptions) throws {
        let now = now.timeIntervalSince1970
        let files = try write("removing old artifacts") { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT artifact.id, file, bytes, finished_at FROM artifact JOIN job ON job.id = artifact.job
                    WHERE NOT expired ORDER BY finished_at DESC, job.sequence DESC
                    """)
            var total = 0
            var files: [String] = []
            for row in rows {
                total += row["bytes"] as Int
                guard total > options.retentionBytes || row["finished_at"] < now - options.retentionSeconds else {
                    continue
                }
                try db.execute(sql: "UPDATE artifact SET expired = 1 WHERE id = ?", arguments: [row["id"] as String])
                files.append(row["file"])
            }
            try db.execute(
                sql: """
                    DELETE FROM job WHERE finished_at < ?
                    AND NOT EXISTS (SELECT 1 FROM artifact WHERE artifact.job = job.id AND NOT expired)
                    """,
                arguments: [now - options.historySeconds])
            return files
        }
        // Rows first: none ever speaks of a file that is gone. A crash here leaves files that `recover` removes.
        artifacts.remove(files)
    }
}
