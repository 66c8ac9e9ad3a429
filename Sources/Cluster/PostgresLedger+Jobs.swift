import Foundation
import Jobs
import PostgreSQL

/// What clients ask.
extension PostgresLedger {
    package func insert(_ job: Job, idempotency: Idempotency?) async throws -> Acceptance {
        try await insert(job, needs: options.needs(job.request), idempotency: idempotency)
    }

    /// Accepts a job; its time is the database's.
    package func insert(_ job: Job, needs: JobNeeds, idempotency: Idempotency?) async throws -> Acceptance {
        let values: [PostgresValue] = try [
            .text(job.id), .text(job.kind.rawValue), .text(job.priority.rawValue), .text(job.owner),
            .integer(job.steps), .text(Self.json(job.request)), .text(job.request.model), .text(needs.part),
            .text(needs.shape), .text(Self.json(needs.weights)), .text(idempotency?.stored),
            .text(idempotency?.fingerprint), .integer(Self.rank(job.priority)),
        ]
        let acceptance = try await run("storing a job") { [self] db in
            // One of the same id is this one: it was stored before a connection broke.
            func before() throws -> Acceptance? {
                guard let idempotency, let known = try known(idempotency, db), known.job.id != job.id else {
                    return nil
                }
                return known
            }
            if let known = try before() { return known }
            let new = try db.execute(insertion, values, isFrequent: true)
            if let row = new.first, let sequence = row.integer("sequence"), let time = row.number("created_at") {
                var job = job
                job.createdAt = Date(timeIntervalSince1970: time)
                if row.boolean("was_empty") == true { announcements.line(model: job.request.model, part: needs.part) }
                return Acceptance(job: job, sequence: Int64(sequence), isKnown: false)
            }
            // Somebody was faster with the key.
            if let known = try before() { return known }
            let (stored, sequence) = try shown(job.id, db)
            return Acceptance(job: stored, sequence: sequence, isKnown: false)
        }
        announcements.jobs([acceptance.job.id])
        return acceptance
    }

    private var insertion: String {
        """
        WITH new AS (
            INSERT INTO \(schema).job
            (id, kind, priority, owner, state, steps, parameters, model, part, shape, weights, idempotency_key, fingerprint)
            VALUES ($1, $2, $3, $4, 'queued', $5::integer, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT DO NOTHING RETURNING id, sequence, created_at
        ), placed AS (
            INSERT INTO \(schema).line (id, sequence, model, part, shape, priority, owner, turn)
            SELECT id, sequence, $7, $8, $9, $13::smallint, $4, \(turn(of: "$4", priority: "$13::smallint")) FROM new
        )
        SELECT sequence, created_at, NOT EXISTS (
            SELECT 1 FROM \(schema).line WHERE worker IS NULL AND model = $7 AND part = $8
        ) AS was_empty FROM new
        """
    }

    /// The turn of a job that comes in now, of those that have not begun and have its priority: the one after its owner's
    /// last, and none that is over. So owners take turns, whoever brings many jobs and whoever comes later.
    private func turn(of owner: String, priority: String) -> String {
        """
        coalesce(greatest(
            (SELECT min(turn) FROM \(schema).line WHERE priority = \(priority) AND NOT begun),
            (SELECT max(turn) + 1 FROM \(schema).line
            WHERE coalesce(owner, '') = coalesce(\(owner), '') AND priority = \(priority) AND NOT begun)
        ), 0)
        """
    }

    /// Interactive jobs come first.
    static func rank(_ priority: Priority) -> Int { Priority.allCases.firstIndex(of: priority) ?? 0 }

    package func known(_ idempotency: Idempotency) async throws -> Acceptance? {
        try await run("looking up an Idempotency-Key") { [self] in try known(idempotency, $0) }
    }

    private func known(_ idempotency: Idempotency, _ db: PostgresConnection) throws -> Acceptance? {
        let rows = try db.execute(
            "SELECT * FROM \(schema).job WHERE idempotency_key = $1", [.text(idempotency.stored)])
        guard let row = rows.first, let sequence = row.integer("sequence") else { return nil }
        guard row.text("fingerprint") == idempotency.fingerprint else {
            throw ServingError.idempotencyConflict(key: idempotency.key)
        }
        let jobs = try completed([StoredJob.shownJob(from: row)], db)
        return jobs.first.map { Acceptance(job: $0, sequence: Int64(sequence), isKnown: true) }
    }

    /// - Parameter date: does not count; the database has a clock.
    package func cancel(_ job: Job, at date: Date) async throws -> Bool {
        let timings = try Self.json(job.timings)
        let isDone = try await run("cancelling job \(job.id)") { [schema] db in
            try db.execute(
                """
                WITH gone AS (
                    DELETE FROM \(schema).line WHERE id = $1 RETURNING id, part, shape, blob, progress
                )
                UPDATE \(schema).job SET state = 'cancelled', timings = $2, finished_at = \(Self.now),
                part = gone.part, shape = gone.shape, blob = gone.blob, progress = gone.progress
                FROM gone WHERE job.id = gone.id AND state NOT IN ('succeeded', 'failed', 'cancelled')
                """, [.text(job.id), .text(timings)]
            ).changes > 0
        }
        if isDone { announcements.jobs([job.id]) }
        return isDone
    }

    package func retry(_ id: String) async throws -> (job: Job, sequence: Int64) {
        let (job, sequence) = try await transaction("retrying job \(id)") { [self] db in
            let rows = try db.execute(
                """
                WITH again AS (
                    UPDATE \(schema).job SET state = 'queued', timings = NULL, failure = NULL, started_at = NULL,
                    finished_at = NULL, ended_fence = NULL WHERE id = $1 AND state IN ('failed', 'cancelled') RETURNING *
                ), placed AS (
                    INSERT INTO \(schema).line
                    (id, sequence, model, part, shape, priority, owner, blob, progress, turn)
                    SELECT id, sequence, model, part, shape, rank, owner, blob, progress,
                    \(turn(of: "ranked.owner", priority: "ranked.rank"))
                    FROM (SELECT *, (priority <> 'interactive')::integer::smallint AS rank FROM again) AS ranked
                    ON CONFLICT DO NOTHING
                )
                SELECT *, NOT EXISTS (
                    SELECT 1 FROM \(schema).line l WHERE worker IS NULL AND l.model = again.model AND l.part = again.part
                ) AS was_empty FROM again
                """, [.text(id)])
            guard let row = rows.first, let sequence = row.integer("sequence") else {
                throw ServingError.notRetriable(id, state: try shown(id, db).job.state)
            }
            do throws(UnreadableRow) {
                let job = try StoredJob.job(from: row)
                if row.boolean("was_empty") == true, let part = row.text("part") {
                    announcements.line(model: job.request.model, part: part)
                }
                return (job, Int64(sequence))
            } catch {
                // The transaction is undone.
                throw ServingError.invalid(field: "id", reason: error.failure.message)
            }
        }
        announcements.jobs([id])
        return (job, sequence)
    }

    // MARK: Looking up

    package func job(_ id: String) async throws -> Job {
        try await run("reading job \(id)") { [self] in try shown(id, $0).job }
    }

    /// - Throws: `ServingError.unknownJob`.
    func shown(_ id: String, _ db: PostgresConnection) throws -> (job: Job, sequence: Int64) {
        let rows = try db.execute("SELECT * FROM \(schema).job WHERE id = $1", [.text(id)])
        guard let row = rows.first, let sequence = row.integer("sequence"),
            let job = try completed([StoredJob.shownJob(from: row)], db).first
        else { throw ServingError.unknownJob(id) }
        return (job, Int64(sequence))
    }

    package func jobs(
        kind: GenerationRequest.Kind?, owner: String?, limit: Int, after: String?, oldestFirst: Bool
    ) async throws -> JobPage {
        try await run("listing jobs") { [self] db in
            let limit = min(max(limit, 1), 1000)
            var last: PostgresValue = .null
            if let after {
                let rows = try db.execute(
                    "SELECT sequence FROM \(schema).job WHERE id = $1 AND ($2::text IS NULL OR owner = $2)",
                    [.text(after), .text(owner)])
                guard let sequence = rows.first?.integer("sequence") else { throw ServingError.unknownJob(after) }
                last = .integer(sequence)
            }
            // A parameter that is compared with NULL keeps its place: every statement has the same ones.
            let sql = """
                SELECT * FROM \(schema).job WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR owner = $2)
                AND ($3::bigint IS NULL OR sequence \(oldestFirst ? ">" : "<") $3)
                ORDER BY sequence \(oldestFirst ? "" : "DESC") LIMIT $4::integer
                """
            var jobs: [Job] = []
            var unreadable: [String] = []
            while jobs.count <= limit, unreadable.count < 1000 {
                // One more than asked for tells whether there are more.
                let wanted = limit + 1 - jobs.count
                let rows = try db.execute(sql, [.text(kind?.rawValue), .text(owner), last, .integer(wanted)])
                for row in rows {
                    do throws(UnreadableRow) { jobs.append(try StoredJob.job(from: row)) } catch {
                        if let id = row.text("id") { unreadable.append(id) }
                    }
                    last = row.integer("sequence").map { .integer($0) } ?? last
                }
                if rows.count < wanted { break }
            }
            return JobPage(
                jobs: try completed(Array(jobs.prefix(limit)), db), hasMore: jobs.count > limit, unreadable: unreadable)
        }
    }

    /// Adds what other tables know of jobs: artifacts, where those that run are, and the places of those that wait.
    func completed(_ jobs: [Job], _ db: PostgresConnection) throws -> [Job] {
        let running = jobs.filter { $0.state == .running }.map(\.id)
        let queued = jobs.filter { $0.state == .queued }.map(\.id)
        let ended = jobs.filter(\.state.isTerminal).map(\.id)
        let live = running.isEmpty ? [:] : try liveStates(of: running, db)
        let positions = queued.isEmpty ? [:] : try self.positions(of: queued, db)
        var files: [String: [Artifact]] = [:]
        if !ended.isEmpty {
            let rows = try db.execute(
                "SELECT * FROM \(schema).artifact WHERE job = ANY($1::text[]) ORDER BY job, ordinal", [.texts(ended)])
            for row in rows {
                guard let artifact = artifact(from: row) else { continue }
                files[artifact.job, default: []].append(artifact)
            }
        }
        return jobs.map { job in
            var job = job
            job.artifacts = files[job.id] ?? []
            job.expiresAt = StoredJob.expiry(of: job, after: options.retentionSeconds)
            job.queuePosition = positions[job.id]
            live[job.id]?.show(in: &job)
            return job
        }
    }

    private func artifact(from row: PostgresRow) -> Artifact? {
        StoredJob.artifact(from: row) { "\(options.folder)/\($0)" }
    }

    package func artifact(_ id: String) async throws -> Artifact {
        let artifact = try await knownArtifact(id)
        try await bring(artifact)
        return artifact
    }

    /// A finished file, which need not be here.
    func knownArtifact(_ id: String) async throws -> Artifact {
        let artifact = try await run("reading artifact \(id)") { [self] db in
            try db.execute("SELECT * FROM \(schema).artifact WHERE id = $1", [.text(id)]).first.flatMap(artifact(from:))
        }
        guard let artifact else { throw ServingError.unknownArtifact(id) }
        guard !artifact.isExpired else { throw ServingError.expiredArtifact(id) }
        return artifact
    }
}
