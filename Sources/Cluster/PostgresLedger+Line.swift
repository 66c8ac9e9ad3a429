import Jobs
import Models
import PostgreSQL

/// Whom a part keeps waiting, by the database's clock.
package struct WaitingPart: Sendable, Equatable {
    /// Unfinished jobs that need the part next and have no worker.
    package let jobs: Int
    /// Seconds that the job has waited that waits longest.
    package let oldestWait: Double
}

/// How long the line is.
extension PostgresLedger {
    /// Nobody is told a place further back than this.
    private static let toldPositions = 1000

    /// How many jobs that wait are before each of some that wait: those of its part that come before it.
    func positions(of ids: [String], _ db: PostgresConnection) throws -> [String: Int] {
        let rows = try db.execute(
            """
            SELECT own.id, (
                SELECT count(*) FROM (
                    SELECT 1 FROM \(schema).line WHERE worker IS NULL AND model = own.model AND part = own.part
                    AND (priority, turn, since, sequence) < (own.priority, own.turn, own.since, own.sequence)
                    LIMIT \(Self.toldPositions + 1)
                ) AS before
            ) AS position FROM \(schema).line AS own WHERE id = ANY($1::text[]) AND worker IS NULL
            """, [.texts(ids)])
        return rows.reduce(into: [:]) { positions, row in
            if let id = row.text("id"), let position = row.integer("position"), position <= Self.toldPositions {
                positions[id] = position
            }
        }
    }

    /// Every part that keeps somebody waiting.
    package func waitingLines() throws -> [PartLine.Place: WaitingPart] {
        let rows = try run("counting the line") { db in
            try db.execute(
                """
                SELECT model, part, count(*) AS jobs,
                greatest(0, extract(epoch FROM clock_timestamp() - min(since)))::double precision AS wait
                FROM \(schema).line WHERE worker IS NULL GROUP BY model, part
                """)
        }
        return rows.reduce(into: [:]) { lines, row in
            guard let model = row.text("model"), let part = row.text("part"), let jobs = row.integer("jobs"),
                let wait = row.number("wait")
            else { return }
            lines[PartLine.Place(model: model, part: Part(part))] = WaitingPart(jobs: jobs, oldestWait: wait)
        }
    }

    /// Unfinished jobs: those that have not begun, and the others.
    package func counts() throws -> (queued: Int, running: Int) {
        let rows = try run("counting jobs") { db in
            try db.execute(
                """
                SELECT count(*) FILTER (WHERE NOT begun) AS queued, count(*) FILTER (WHERE begun) AS running
                FROM \(schema).line
                """)
        }
        return (rows.first?.integer("queued") ?? 0, rows.first?.integer("running") ?? 0)
    }

    /// Rows of `line` that are dead and not yet cleaned away, beyond which `tidy` does something.
    private static let mostDead = 2000

    /// Cleans the hot table if it needs it: a busy line is in want of that before the database's own cleaning comes, once a
    /// minute. Whoever works calls it every ten seconds or so; if another is at it, nothing is done.
    /// - Returns: dead rows before.
    @discardableResult
    package func tidy() throws -> Int {
        try run("tidying the line") { db in
            let statistics = try db.execute(
                "SELECT n_dead_tup FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'line'", [.text(schema)]
            )
            let dead = statistics.first?.integer("n_dead_tup") ?? 0
            if dead > Self.mostDead { try db.execute("VACUUM (SKIP_LOCKED, TRUNCATE FALSE) \(schema).line") }
            return dead
        }
    }

    /// Whether there is room for one more job of an owner. Two machines that ask at once may both be told so.
    /// - Parameters:
    ///   - capacity: jobs that may wait.
    ///   - retryAfter: seconds that a client is told to wait.
    /// - Throws: `ServingError.queueFull`, `shareFull`, `storage`.
    package func checkRoom(for owner: String?, capacity: Int, share: QueueShare, retryAfter: Int) async throws {
        let (all, own) = try await run("counting the line") { [schema] db in
            let rows = try db.execute(
                """
                SELECT (SELECT count(*) FROM (SELECT 1 FROM \(schema).line WHERE NOT begun LIMIT $2::integer) AS waiting)
                AS total, (SELECT count(*) FROM \(schema).line WHERE NOT begun AND owner = $1) AS own
                """, [.text(owner), .integer(max(0, capacity))])
            return (rows.first?.integer("total") ?? 0, rows.first?.integer("own") ?? 0)
        }
        guard all < capacity else { throw ServingError.queueFull(capacity: capacity, retryAfter: retryAfter) }
        guard owner == nil || share.admits(waiting: own, free: capacity - all) else {
            throw ServingError.shareFull(waiting: own, retryAfter: retryAfter)
        }
    }
}
