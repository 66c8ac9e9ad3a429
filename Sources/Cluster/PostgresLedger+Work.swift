import Foundation
import Jobs
import Models
import PostgreSQL

/// What a worker writes of a job that it has claimed. Each counts only as long as the fence is the row's.
///
/// A call may be done again after it failed for want of a database: it then tells what the first has done. So the names of
/// blobs that are handed over must differ from each other, for which job, fence and progress do.
extension PostgresLedger {
    /// Gives a claim up for another part. What is handed over must be in the blob store.
    /// - Parameters:
    ///   - shape: what can share an evaluation of that part.
    ///   - progress: more than before.
    /// - Returns: false if the job is not this worker's any more.
    package func handOn(
        _ id: String, fence: Int64, to part: Part, shape: String, blob: String?, progress: Int64
    ) throws -> Bool {
        let rows = try run("handing on job \(id)") { db in
            try db.execute(
                """
                WITH handed AS (
                    UPDATE \(schema).line SET worker = NULL, lease_end = NULL, part = $3, shape = $4, blob = $5,
                    progress = $6::bigint, since = clock_timestamp(), turn = 0,
                    attempts = CASE WHEN $6::bigint > progress THEN 0 ELSE attempts END
                    WHERE id = $1 AND fence = $2::bigint AND worker IS NOT NULL RETURNING model
                )
                SELECT model, NOT EXISTS (
                    SELECT 1 FROM \(schema).line WHERE worker IS NULL AND model = handed.model AND part = $3
                ) AS was_empty FROM handed
                UNION ALL SELECT model, false FROM \(schema).line WHERE id = $1 AND part = $3 AND blob = $5
                AND progress = $6::bigint AND (worker IS NULL OR fence <> $2::bigint)
                """,
                [.text(id), .integer(fence), .text(part.name), .text(shape), .text(blob), .integer(progress)],
                isFrequent: true)
        }
        guard let row = rows.first else { return false }
        if row.boolean("was_empty") == true, let model = row.text("model") {
            announcements.line(model: model, part: part.name)
        }
        return true
    }

    /// Notes how far a job has got, and keeps the claim: what a worker computes next from what it has.
    /// - Returns: false if the job is not this worker's any more.
    package func advance(_ id: String, fence: Int64, to part: Part, blob: String?, progress: Int64) throws -> Bool {
        try run("noting the progress of job \(id)") { db in
            try db.execute(
                """
                UPDATE \(schema).line SET part = $3, blob = $4, progress = $5::bigint,
                attempts = CASE WHEN $5::bigint > progress THEN 0 ELSE attempts END
                WHERE id = $1 AND fence = $2::bigint AND worker IS NOT NULL
                """, [.text(id), .integer(fence), .text(part.name), .text(blob), .integer(progress)]
            ).changes > 0
        }
    }

    /// Puts jobs back into the line at once, at their old place: the worker is told to end. It counts as no attempt.
    /// - Returns: the jobs that were this worker's.
    @discardableResult
    package func letGo(_ fences: [String: Int64]) throws -> Set<String> {
        let held = fences.sorted { $0.key < $1.key }
        let rows = try run("letting go of \(held.count) jobs") { db in
            try db.execute(
                """
                WITH returned AS (
                    UPDATE \(schema).line SET worker = NULL, lease_end = NULL, begun = progress > 0,
                    turn = CASE WHEN progress > 0 THEN 0 ELSE turn END
                    FROM unnest($1::text[], $2::bigint[]) AS held (id, fence)
                    WHERE line.id = held.id AND line.fence = held.fence AND worker IS NOT NULL
                    RETURNING line.id, model, part, begun
                ), queued AS (
                    UPDATE \(schema).job SET state = 'queued', started_at = NULL
                    FROM returned WHERE job.id = returned.id AND NOT returned.begun AND state = 'running'
                )
                SELECT id, model, part, NOT EXISTS (
                    SELECT 1 FROM \(schema).line WHERE worker IS NULL AND model = returned.model AND part = returned.part
                ) AS was_empty FROM returned
                """, [.texts(held.map(\.key)), .integers(held.map(\.value))])
        }
        for row in rows where row.boolean("was_empty") == true {
            guard let model = row.text("model"), let part = row.text("part") else { continue }
            announcements.line(model: model, part: part)
        }
        let ids = Set(rows.compactMap { $0.text("id") })
        announcements.jobs(ids)
        return ids
    }

    /// Writes the end of a job, its artifacts if it has any, and that the webhooks are to be told, all at once. The files must
    /// be in the blob store.
    /// - Returns: false, and nothing written, if the job is not this worker's any more. Then its files are nobody's.
    package func finish(_ job: Job, fence: Int64) throws -> Bool {
        let isDone = try finish(
            job.id, fence: fence, state: job.state, timings: job.timings, failure: job.failure,
            artifacts: job.artifacts)
        if isDone { announcements.jobs([job.id]) }
        return isDone
    }

    /// Ends a job that this worker cannot compute: its weights are not those that the job was accepted with.
    /// - Parameter reason: names the part and the file.
    package func refuse(_ id: String, fence: Int64, reason: String) throws -> Bool {
        try fail(id, fence: fence, with: Job.Failure(code: "weights_differ", message: reason))
    }

    @discardableResult
    func fail(_ id: String, fence: Int64, with failure: Job.Failure) throws -> Bool {
        let isDone = try finish(id, fence: fence, state: .failed, timings: nil, failure: failure, artifacts: [])
        if isDone { announcements.jobs([id]) }
        return isDone
    }

    private func finish(
        _ id: String, fence: Int64, state: Job.State, timings: Timings?, failure: Job.Failure?, artifacts: [Artifact]
    ) throws -> Bool {
        let values: [PostgresValue] = try [
            .text(id), .integer(fence), .text(state.rawValue), .text(timings.map(Self.json)),
            .text(failure.map(Self.json)), .texts(artifacts.map(\.id)),
            .texts(artifacts.map { ($0.path as NSString).lastPathComponent }), .texts(artifacts.map(\.contentType)),
            .integers(artifacts.map(\.bytes)),
        ]
        let rows = try run("finishing job \(id)") { db in
            try db.execute(
                """
                WITH mine AS (
                    DELETE FROM \(schema).line WHERE id = $1 AND fence = $2::bigint AND worker IS NOT NULL
                    RETURNING id, part, shape, blob, progress
                ), ended AS (
                    UPDATE \(schema).job SET state = $3, timings = coalesce($4, timings), failure = $5,
                    finished_at = \(Self.now), ended_fence = $2::bigint,
                    part = mine.part, shape = mine.shape, blob = mine.blob, progress = mine.progress
                    FROM mine WHERE job.id = mine.id AND state NOT IN ('succeeded', 'failed', 'cancelled') RETURNING job.id
                ), files AS (
                    INSERT INTO \(schema).artifact (id, job, ordinal, file, content_type, bytes)
                    SELECT file.id, ended.id, ordinal - 1, file.name, file.type, file.bytes FROM ended
                    CROSS JOIN unnest($6::text[], $7::text[], $8::text[], $9::bigint[])
                    WITH ORDINALITY AS file (id, name, type, bytes, ordinal)
                )
                SELECT 1 FROM ended UNION ALL SELECT 1 FROM \(schema).job
                WHERE id = $1 AND ended_fence = $2::bigint AND state = $3
                """, values, isFrequent: true)
        }
        return !rows.isEmpty
    }
}
