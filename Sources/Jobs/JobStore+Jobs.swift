import Foundation
import GRDB

/// A job's way through the table.
extension JobStore {
    package func insert(_ job: Job, idempotency: Idempotency?) async throws -> Acceptance {
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
    package func known(_ idempotency: Idempotency) async throws -> Acceptance? {
        try await read("looking up an Idempotency-Key") { try self.known(idempotency, $0) }
    }

    private func known(_ idempotency: Idempotency, _ db: Database) throws -> Acceptance? {
        let sql = "SELECT * FROM job WHERE idempotency_key = ?"
        guard let row = try Row.fetchOne(db, sql: sql, arguments: [idempotency.stored]) else { return nil }
        guard row.value("fingerprint") == idempotency.fingerprint else {
            throw ServingError.idempotencyConflict(key: idempotency.key)
        }
        return Acceptance(job: try rows.shownJob(from: row, db), sequence: row["sequence"], isKnown: true)
    }

    package func markRunning(_ ids: [String], at date: Date) throws {
        try write("starting \(ids.count) jobs") { db in
            for id in ids {
                // One that was cancelled meanwhile stays so.
                try db.execute(
                    sql: "UPDATE job SET state = ?, started_at = ? WHERE id = ? AND state = ?",
                    arguments: [Job.State.running.rawValue, date.timeIntervalSince1970, id, Job.State.queued.rawValue])
            }
        }
    }

    /// Writes that a job is not wanted any more, before anybody is told so: a kill right after does not bring it back.
    /// - Parameter job: as it is at present.
    /// - Returns: false if it had ended before.
    package func cancel(_ job: Job, at date: Date) async throws -> Bool {
        try await write("cancelling job \(job.id)") { db in
            try db.execute(
                sql: "UPDATE job SET state = ?, timings = ?, finished_at = ? WHERE id = ? AND state IN (?, ?)",
                arguments: [
                    Job.State.cancelled.rawValue, Self.json(job.timings), date.timeIntervalSince1970, job.id,
                    Job.State.queued.rawValue, Job.State.running.rawValue,
                ])
            return db.changesCount > 0
        }
    }

    /// Writes the end of a job, and its artifacts if it has any. Their files must be published; they are removed again if
    /// the job was cancelled meanwhile. One that failed meanwhile stays cancelled.
    /// - Throws: `Interruption.cancelled` for one that has succeeded too late.
    package func finish(_ job: Job) throws {
        if try write("finishing job \(job.id)", { try Self.finish(job, $0) }) { return }
        guard job.state == .succeeded else { return }
        let names = job.artifacts.map { URL(fileURLWithPath: $0.path).lastPathComponent }
        artifacts.remove(names)
        try removeBlobs(names)
        throw Interruption.cancelled
    }

    /// - Returns: false, and nothing written, if the row says that the job has ended in another way.
    private static func finish(_ job: Job, _ db: Database) throws -> Bool {
        try db.execute(
            sql: """
                UPDATE job SET state = ?, timings = ?, failure = ?, finished_at = ?
                WHERE id = ? AND (state IN (?, ?) OR state = ?)
                """,
            arguments: [
                job.state.rawValue, json(job.timings), job.failure.map(json), job.finishedAt?.timeIntervalSince1970,
                job.id, Job.State.queued.rawValue, Job.State.running.rawValue, job.state.rawValue,
            ])
        guard db.changesCount > 0 else { return false }
        for (ordinal, artifact) in job.artifacts.enumerated() {
            try db.execute(
                sql: "INSERT INTO artifact (id, job, ordinal, file, content_type, bytes) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [
                    artifact.id, job.id, ordinal, URL(fileURLWithPath: artifact.path).lastPathComponent,
                    artifact.contentType, artifact.bytes,
                ])
        }
        return true
    }

    /// Puts a job that has failed or was cancelled back into the queue, as if nothing had been done of it. What is kept
    /// of its way (a checkpoint) is taken up again.
    /// - Returns: the job, queued, and its place.
    /// - Throws: `ServingError.unknownJob`, `notRetriable`, `storage`.
    package func retry(_ id: String) async throws -> (job: Job, sequence: Int64) {
        try await write("retrying job \(id)") { db in
            try db.execute(
                sql: """
                    UPDATE job SET state = ?, timings = NULL, failure = NULL, started_at = NULL, finished_at = NULL,
                    interruptions = 0, progress = NULL WHERE id = ? AND state IN (?, ?)
                    """,
                arguments: [
                    Job.State.queued.rawValue, id, Job.State.failed.rawValue, Job.State.cancelled.rawValue,
                ])
            guard db.changesCount > 0 else {
                throw ServingError.notRetriable(id, state: try self.rows.job(id, db).state)
            }
            guard let row = try Row.fetchOne(db, sql: "SELECT * FROM job WHERE id = ?", arguments: [id]) else {
                throw ServingError.unknownJob(id)
            }
            do {
                return (try self.rows.job(from: row, db), row["sequence"])
            } catch let fault as UnreadableRow {
                // The transaction is undone.
                throw ServingError.invalid(field: "id", reason: fault.failure.message)
            }
        }
    }

    static func json(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    // MARK: Looking up

    package func job(_ id: String) async throws -> Job {
        try await read("reading job \(id)") { try self.rows.job(id, $0) }
    }

    package func jobs(
        kind: GenerationRequest.Kind?, owner: String?, limit: Int, after: String?, oldestFirst: Bool
    ) async throws -> JobPage {
        try await read("listing jobs") { db in
            try self.rows.page(
                kind: kind, owner: owner, limit: limit, after: after, oldestFirst: oldestFirst, db)
        }
    }

    package func artifact(_ id: String) async throws -> Artifact {
        let artifact = try await read("reading artifact \(id)") { db in
            try Row.fetchOne(db, sql: "SELECT * FROM artifact WHERE id = ?", arguments: [id])
                .flatMap(self.rows.artifact(from:))
        }
        guard let artifact else { throw ServingError.unknownArtifact(id) }
        guard !artifact.isExpired else { throw ServingError.expiredArtifact(id) }
        try await bring(artifact)
        return artifact
    }
}
