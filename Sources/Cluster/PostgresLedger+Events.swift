import Foundation
import Jobs
import PostgreSQL

/// What happens to jobs, for whoever watches them at whichever machine.
extension PostgresLedger {
    /// What came of events that were told.
    package struct Told: Sendable, Equatable {
        /// Jobs that are not this worker's any more: nothing was written of them.
        package let lost: Set<String>
        /// Blobs of previews that are shown no more.
        package let givenUp: [String]
    }

    /// Writes events in their order. The ends of jobs and their return to the line are written with the jobs.
    package func append(_ events: [WorkEvent]) throws -> Told {
        guard !events.isEmpty else { return Told(lost: [], givenUp: []) }
        let previews = events.map(\.preview)
        func integers(_ values: [Int?]) -> PostgresValue { .texts(values.map { $0.map { String($0) } }) }
        let values: [PostgresValue] = try [
            .texts(events.map(\.job.id)), .integers(events.map(\.fence)), .texts(events.map(\.name.rawValue)),
            .texts(events.map { try Self.json(LiveState($0.job)) }), .texts(previews.map { $0?.blob }),
            integers(previews.map { $0?.image }), integers(previews.map { $0?.index }),
            integers(previews.map { $0?.step }),
        ]
        let rows = try run("telling of \(events.count) events") { db in
            try db.execute(
                """
                SELECT job, array_to_string(
                    \(schema).tell(job, fence, name, live, blob, image::integer, index::integer, step::integer), ' '
                ) AS gone FROM (
                    SELECT * FROM unnest(
                        $1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]
                    ) WITH ORDINALITY AS told (job, fence, name, live, blob, image, index, step, ordinal) ORDER BY ordinal
                ) AS told
                """, values, isFrequent: true)
        }
        let lost = Set(rows.filter { $0.text("gone") == nil }.compactMap { $0.text("job") })
        announcements.jobs(Set(events.map(\.job.id)).subtracting(lost))
        let gone = rows.flatMap { ($0.text("gone") ?? "").unicodeScalars.split(separator: " ").map { String($0) } }
        return Told(lost: lost, givenUp: gone)
    }

    /// The last event of a job that is no preview, or all that are kept after the event of an id. An id beyond the last event
    /// counts as none. The last is an end if the job has ended.
    /// - Returns: the events, and the job as it was a moment later: one that ended in between is over without its end among
    ///   the events.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    package func events(of id: String, after: Int64?) async throws -> (events: [LedgerEvent], job: Job) {
        try await run("reading events of job \(id)") { [self] db in
            // The events first: a job that ends in between is shown with its end.
            let rows = try db.execute(
                """
                SELECT * FROM \(schema).event WHERE job = $1 AND CASE
                WHEN $2::bigint <= (SELECT max(id) FROM \(schema).event WHERE job = $1) THEN id > $2::bigint
                ELSE id = (SELECT max(id) FROM \(schema).event WHERE job = $1 AND blob IS NULL) END ORDER BY id
                """, [.text(id), after.map { .integer($0) } ?? .null])
            let job = try shown(id, db).job
            if rows.isEmpty, job.state.isTerminal, try !isHeard(id, after, db) {
                // Its events are forgotten: all there is to tell is how it ended.
                let end = EventLog.id(at: job.finishedAt ?? job.createdAt)
                return ([LedgerEvent(id: end, name: JobQueue.lastEvent(of: job), job: job, preview: nil)], job)
            }
            return (rows.compactMap { event(from: $0, of: job) }, job)
        }
    }

    /// Whether the last event of a job is the one that a reader has.
    private func isHeard(_ id: String, _ after: Int64?, _ db: PostgresConnection) throws -> Bool {
        guard let after else { return false }
        return try !db.execute(
            "SELECT 1 FROM \(schema).event WHERE job = $1 AND id >= $2::bigint LIMIT 1", [.text(id), .integer(after)]
        ).isEmpty
    }

    /// The job as it was at an event.
    private func event(from row: PostgresRow, of job: Job) -> LedgerEvent? {
        guard let id = row.integer("id"), let name = JobEvent.Name(rawValue: row.text("name") ?? "") else { return nil }
        var then = job
        if !name.isTerminal {
            then.state = name == .queued ? .queued : .running
            (then.finishedAt, then.failure, then.artifacts, then.expiresAt) = (nil, nil, [], nil)
            if name == .queued {
                then.startedAt = nil
            } else {
                then.queuePosition = nil
                LiveState(json: row.text("live"))?.show(in: &then)
            }
        }
        let preview = row.text("blob").map { blob in
            LedgerEvent.Preview(
                image: row.integer("image") ?? 0, index: row.integer("index") ?? 0, step: row.integer("step") ?? 0,
                blob: blob)
        }
        return LedgerEvent(id: Int64(id), name: name, job: then, preview: preview)
    }

    /// The last state that workers have told of jobs.
    func liveStates(of ids: [String], _ db: PostgresConnection) throws -> [String: LiveState] {
        let rows = try db.execute(
            """
            SELECT asked.id, last.live FROM unnest($1::text[]) AS asked (id) CROSS JOIN LATERAL (
                SELECT live FROM \(schema).event WHERE job = asked.id AND live IS NOT NULL ORDER BY event.id DESC LIMIT 1
            ) AS last
            """, [.texts(ids)])
        return rows.reduce(into: [:]) { states, row in
            if let id = row.text("id"), let state = LiveState(json: row.text("live")) { states[id] = state }
        }
    }
}
