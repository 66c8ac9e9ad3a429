import Foundation
import Jobs
import Models
import PostgreSQL

/// A job that a worker has taken from the line, until the lease ends.
package struct Claim: Sendable, Equatable {
    /// Running.
    package let job: Job
    /// The job's place in the order in which jobs were accepted.
    package let sequence: Int64
    /// What every write of the worker must carry. No two claims have the same.
    package let fence: Int64
    /// What the job needs next.
    package let part: Part
    package let shape: String
    /// What an earlier worker has handed over: the name of a blob.
    package let blob: String?
    /// Grows with what is handed over; 0 at first.
    package let progress: Int64
    /// How often a worker was lost with this job since the job last got further.
    package let interruptions: Int
    /// What the weights of each part are that the job was accepted with.
    package let weights: [String: String]
}

/// What has become of what a worker holds.
package struct Heartbeat: Sendable, Equatable {
    /// Jobs whose lease goes on.
    package let kept: Set<String>
    /// Jobs that are not wanted any more.
    package let cancelled: Set<String>
    /// Jobs that have gone to another worker, or away.
    package let lost: Set<String>
}

/// How workers get jobs.
extension PostgresLedger {
    /// Seconds after which a wait counts more than priority, as in `PhaseSchedule`.
    static let ageLimit = 600

    /// Takes up to `limit` jobs of one part and one shape from the line.
    ///
    /// The job that is taken first is the one whose wait has passed the age limit most often, then of the highest priority,
    /// then of the part that is held, then the oldest. Where nothing waits for the part that is held, that is the part whose
    /// oldest job is oldest. Jobs of the same part, shape and priority come along, oldest first. Of jobs that have not begun,
    /// owners take turns. A job with which a worker was lost comes alone, so that no other is blamed.
    ///
    /// Now and then (`LedgerOptions.rescueSeconds`), leases that have ended are taken back before.
    /// - Parameters:
    ///   - worker: a name of this process that no other has.
    ///   - places: the parts that the worker can compute.
    ///   - held: the part in its memory.
    ///   - lease: seconds until the claim ends, unless `heartbeat` makes it longer.
    /// - Returns: empty if nothing waits.
    /// - Throws: `ServingError.storage`.
    package func claim(
        worker: String, places: [PartLine.Place], held: PartLine.Place?, limit: Int, lease: Double = 30
    ) throws -> [Claim] {
        guard !places.isEmpty, limit > 0 else { return [] }
        try rescueIfDue()
        let values: [PostgresValue] = [
            .texts(places.map(\.model)), .texts(places.map(\.part.name)), .text(held?.model), .text(held?.part.name),
            .integer(limit), .text(worker), .number(lease),
        ]
        // Others may be faster with all jobs of the part that was chosen, while there are more of another.
        for _ in 0..<8 {
            let rows = try run("claiming jobs") { try $0.execute(claiming, values, isFrequent: true) }
            if rows.isEmpty { return [] }
            let claims = try rows.compactMap { row in row.text("id") == nil ? nil : try claim(from: row) }
            if !claims.isEmpty { return claims }
            Thread.sleep(forTimeInterval: Double.random(in: 0.001...0.005))
        }
        return []
    }

    /// The statement that claims; it answers one row without an id if others were faster, none if nothing waits.
    ///
    /// The head of the line is found by one look into `line_waiting` for each part and priority. What is taken is asked for
    /// by scalars, so that `line_shape` gives it in order and nothing is sorted.
    package var claiming: String {
        """
        WITH head AS MATERIALIZED (
            SELECT first.* FROM unnest($1::text[], $2::text[]) AS place (model, part)
            CROSS JOIN (VALUES (0::smallint), (1::smallint)) AS rank (priority)
            CROSS JOIN LATERAL (
                SELECT id, model, part, shape, priority, attempts, since, sequence FROM \(schema).line
                WHERE worker IS NULL AND model = place.model AND part = place.part AND priority = rank.priority
                ORDER BY turn, since, sequence LIMIT 1
            ) AS first
            ORDER BY floor(greatest(0, extract(epoch FROM clock_timestamp() - first.since)) / \(Self.ageLimit)) DESC,
            first.priority, coalesce(first.model = $3 AND first.part = $4, false) DESC, first.since, first.sequence LIMIT 1
        ), taken AS MATERIALIZED (
            SELECT id FROM \(schema).line
            WHERE worker IS NULL AND model = (SELECT model FROM head) AND part = (SELECT part FROM head)
            AND priority = (SELECT priority FROM head) AND shape = (SELECT shape FROM head)
            AND CASE WHEN (SELECT attempts FROM head) > 0 THEN id = (SELECT id FROM head) ELSE attempts = 0 END
            ORDER BY turn, since, sequence LIMIT $5::integer FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE \(schema).line SET worker = $6, lease_end = clock_timestamp() + make_interval(secs => $7::double precision),
            fence = nextval('\(schema).fence'), begun = true
            WHERE id IN (SELECT id FROM taken) RETURNING *
        ), begun AS (
            UPDATE \(schema).job SET state = 'running', started_at = coalesce(job.started_at, \(Self.now))
            FROM claimed WHERE job.id = claimed.id AND job.state = 'queued'
        )
        SELECT job.id, job.kind, job.priority, job.owner, 'running' AS state, job.steps, job.parameters, job.weights,
        job.created_at, coalesce(job.started_at, \(Self.now)) AS started_at, job.timings, claimed.attempts AS interruptions,
        claimed.sequence, claimed.fence, claimed.part, claimed.shape, claimed.blob, claimed.progress
        FROM head LEFT JOIN (claimed JOIN \(schema).job ON job.id = claimed.id) ON true ORDER BY claimed.sequence
        """
    }

    /// - Returns: nil for a job that this version cannot read: it fails.
    private func claim(from row: PostgresRow) throws -> Claim? {
        guard let id = row.text("id"), let fence = row.integer("fence"), let sequence = row.integer("sequence") else {
            return nil
        }
        do throws(UnreadableRow) {
            let weights = row.text("weights").flatMap {
                try? JSONDecoder().decode([String: String].self, from: Data($0.utf8))
            }
            return Claim(
                job: try StoredJob.job(from: row), sequence: Int64(sequence), fence: Int64(fence),
                part: Part(row.text("part") ?? ""), shape: row.text("shape") ?? "", blob: row.text("blob"),
                progress: Int64(row.integer("progress") ?? 0), interruptions: row.integer("interruptions") ?? 0,
                weights: weights ?? [:])
        } catch {
            try fail(id, fence: Int64(fence), with: error.failure)
            return nil
        }
    }

    /// Makes the leases of a worker longer, and learns what is not its any more.
    /// - Parameter fences: of the jobs that it holds.
    /// - Throws: `ServingError.storage`.
    package func heartbeat(worker: String, fences: [String: Int64], lease: Double = 30) throws -> Heartbeat {
        let held = fences.sorted { $0.key < $1.key }
        let rows = try run("holding \(held.count) jobs") { db in
            try db.execute(
                """
                WITH asked AS (SELECT * FROM unnest($1::text[], $2::bigint[]) AS asked (id, fence)), kept AS (
                    UPDATE \(schema).line SET lease_end = clock_timestamp() + make_interval(secs => $4::double precision)
                    FROM asked WHERE line.id = asked.id AND line.fence = asked.fence AND worker = $3 RETURNING line.id
                )
                SELECT asked.id, kept.id IS NOT NULL AS kept, coalesce(job.state = 'cancelled', false) AS cancelled
                FROM asked LEFT JOIN kept ON kept.id = asked.id LEFT JOIN \(schema).job ON job.id = asked.id
                """,
                [.texts(held.map(\.key)), .integers(held.map(\.value)), .text(worker), .number(lease)],
                isFrequent: true)
        }
        func ids(_ condition: (PostgresRow) -> Bool) -> Set<String> {
            Set(rows.filter(condition).compactMap { $0.text("id") })
        }
        let kept = ids { $0.boolean("kept") == true }
        let cancelled = ids { $0.boolean("kept") == false && $0.boolean("cancelled") == true }
        return Heartbeat(
            kept: kept, cancelled: cancelled, lost: Set(fences.keys).subtracting(kept).subtracting(cancelled))
    }

    private func rescueIfDue() throws {
        let isDue = lastRescue.withLock { last in
            let now = ContinuousClock.now
            if let last, last.duration(to: now) < .seconds(options.rescueSeconds) { return false }
            last = now
            return true
        }
        if isDue { try rescue() }
    }

    /// Puts jobs back into the line whose worker let the lease end, at their old place. A job that has taken three workers with
    /// it and got no further in between fails. `claim` calls this. Workers could not be heard while the database was away, so
    /// no lease ends right after the database has started.
    /// - Returns: how many jobs went back, and how many failed.
    @discardableResult
    package func rescue() throws -> (returned: Int, failed: Int) {
        let failure = Job.Failure(
            code: "process_ended",
            message: "the workers of this job ended \(JobStore.mostInterruptions) times, and the job got no further in "
                + "between; it is not begun again")
        let rows = try run("taking back jobs") { db in
            try db.execute(
                """
                WITH ended AS (
                    SELECT id, CASE WHEN progress IS NOT DISTINCT FROM ended_progress THEN attempts + 1 ELSE 1 END AS times
                    FROM \(schema).line WHERE worker IS NOT NULL
                    AND greatest(lease_end, pg_postmaster_start_time() + make_interval(secs => $3::double precision))
                        < clock_timestamp()
                    LIMIT 1000 FOR UPDATE SKIP LOCKED
                ), returned AS (
                    UPDATE \(schema).line SET worker = NULL, lease_end = NULL, attempts = ended.times,
                    ended_progress = progress, begun = progress > 0,
                    turn = CASE WHEN progress > 0 THEN 0 ELSE turn END
                    FROM ended WHERE line.id = ended.id AND ended.times < $1::integer RETURNING line.id, begun
                ), gone AS (
                    DELETE FROM \(schema).line USING ended WHERE line.id = ended.id AND ended.times >= $1::integer
                    RETURNING line.id, part, shape, blob, progress
                ), failed AS (
                    UPDATE \(schema).job SET state = 'failed', failure = $2, finished_at = \(Self.now),
                    part = gone.part, shape = gone.shape, blob = gone.blob, progress = gone.progress
                    FROM gone WHERE job.id = gone.id AND state NOT IN ('succeeded', 'failed', 'cancelled')
                ), queued AS (
                    UPDATE \(schema).job SET state = 'queued', started_at = NULL
                    FROM returned WHERE job.id = returned.id AND NOT returned.begun AND state = 'running'
                )
                SELECT id, false AS failed FROM returned UNION ALL SELECT id, true FROM gone
                """,
                [
                    .integer(JobStore.mostInterruptions), .text(try Self.json(failure)),
                    .number(options.graceSeconds),
                ])
        }
        announcements.jobs(rows.compactMap { $0.text("id") })
        for row in rows {
            let isFailed = row.boolean("failed") == true
            logger.log(
                level: isFailed ? .error : .warning,
                isFailed ? "a job has failed: \(failure.message)" : "the worker of this job was lost",
                metadata: ["job": "\(row.text("id") ?? "")"])
        }
        let failed = rows.count { $0.boolean("failed") == true }
        return (rows.count - failed, failed)
    }
}
