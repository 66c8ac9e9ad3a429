import Cluster
import Foundation
import Jobs
import Logging
import Models
import PostgreSQL
import Synchronization

/// How fast workers get jobs from a database: many connections and a long line, in a schema of its own that is gone
/// afterwards.
package struct ClaimBenchmark: Sendable {
    package let address: PostgresAddress
    /// Workers that claim at once, each with a connection.
    package let connections: Int
    /// Jobs in the line at the beginning of each part.
    package let waiting: Int
    /// Seconds that claims alone are measured for, and then all that becomes of jobs.
    package let seconds: (claims: Double, churn: Double)

    package init(address: PostgresAddress, connections: Int, waiting: Int, seconds: (claims: Double, churn: Double)) {
        self.address = address
        self.connections = connections
        self.waiting = waiting
        self.seconds = seconds
    }

    private static let model = "benchmark"
    private static let parts = ["text_encoder", "high", "low", "vae"]
    private static let places = parts.map { PartLine.Place(model: model, part: Part($0)) }

    /// - Throws: `PostgresFault`, `ServingError.storage`.
    package func run() throws -> ClaimReport {
        let schema = "phasor_bench_\(UInt32.random(in: 0 ... .max))"
        let control = PostgresConnection(address, statementTimeout: nil)
        var options = LedgerOptions(address: address, folder: "", blobs: nil) { _ in
            JobNeeds(part: Self.parts[0], shape: "", weights: [:])
        }
        options.schema = schema
        options.connections = connections
        let ledger = try PostgresLedger(options: options, logger: Logger(label: "phasor.bench"))
        defer { _ = try? control.execute("DROP SCHEMA \(schema) CASCADE") }
        try fill(control, schema)
        let claims = try measure(for: seconds.claims) { worker, held in
            let claims = try ledger.claim(worker: worker, places: Self.places, held: held, limit: 1, lease: 3600)
            return claims.first.map { PartLine.Place(model: Self.model, part: $0.part) }
        }
        let dead = try Self.dead(control, schema)

        try control.execute("TRUNCATE \(schema).line")
        try fill(control, schema)
        // Whoever works tidies now and then.
        let tidied = Mutex(ContinuousClock.now)
        let mostDead = Atomic(0)
        let churn = try measure(for: seconds.churn) { worker, held in
            let isMine = tidied.withLock { last in
                guard last.duration(to: .now) > .seconds(10) else { return false }
                last = .now
                return true
            }
            if isMine { mostDead.max(try ledger.tidy(), ordering: .relaxed) }
            return try Self.pass(ledger, worker, held)
        }
        return ClaimReport(
            connections: connections, waiting: waiting, claims: claims, deadAfterClaims: dead, churn: churn,
            mostDead: mostDead.load(ordering: .relaxed), deadAfterChurn: try Self.dead(control, schema),
            tableBytes: try control.execute("SELECT pg_total_relation_size('\(schema).line') AS bytes").first?
                .integer("bytes") ?? 0, plan: try plan(control, ledger))
    }

    /// A job goes one part further; one that is at its end makes room for a new one.
    private static func pass(
        _ ledger: PostgresLedger, _ worker: String, _ held: PartLine.Place?
    ) throws -> PartLine.Place? {
        guard let claim = try ledger.claim(worker: worker, places: places, held: held, limit: 1, lease: 3600).first
        else {
            return nil
        }
        let id = claim.job.id
        if let next = parts.firstIndex(of: claim.part.name).flatMap({ $0 + 1 < parts.count ? parts[$0 + 1] : nil }) {
            _ = try ledger.handOn(
                id, fence: claim.fence, to: Part(next), shape: "1x16x8x8", blob: "\(id)-\(claim.fence)",
                progress: claim.progress + 1)
        } else {
            var job = claim.job
            job.state = .succeeded
            _ = try ledger.finish(job, fence: claim.fence)
            let random = UUID().uuidString.lowercased().filter { $0 != "-" }
            let new = Job(id: "image_\(random)", request: job.request, steps: job.steps, createdAt: .storable)
            let stored = DispatchSemaphore(value: 0)
            Task {
                _ = try? await ledger.insert(new, idempotency: nil)
                stored.signal()
            }
            stored.wait()
        }
        return PartLine.Place(model: model, part: claim.part)
    }

    /// Lets every worker do `body` again and again.
    /// - Parameter body: gets the worker's name and the part that it holds, and returns the next; nil if nothing was got.
    private func measure(
        for seconds: Double, _ body: @escaping @Sendable (String, PartLine.Place?) throws -> PartLine.Place?
    ) throws -> ClaimReport.Rate {
        let samples = Mutex<[Double]>([])
        let empty = Atomic(0)
        let failure = Mutex<(any Error)?>(nil)
        let group = DispatchGroup()
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        for worker in 0..<connections {
            group.enter()
            Thread.detachNewThread {
                defer { group.leave() }
                var held: PartLine.Place?
                var own: [Double] = []
                do {
                    while ContinuousClock.now < end {
                        let began = ContinuousClock.now
                        let got = try body("worker-\(worker)", held)
                        own.append(began.duration(to: .now) / .seconds(1))
                        if got == nil { empty.add(1, ordering: .relaxed) }
                        held = got ?? held
                    }
                } catch {
                    failure.withLock { $0 = $0 ?? error }
                }
                samples.withLock { $0 += own }
            }
        }
        group.wait()
        if let failure = failure.withLock({ $0 }) { throw failure }
        let elapsed = start.duration(to: .now) / .seconds(1)
        let sorted = samples.withLock { $0.sorted() }
        func quantile(_ share: Double) -> Double {
            sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
        }
        let missed = empty.load(ordering: .relaxed)
        return ClaimReport.Rate(
            perSecond: Double(sorted.count - missed) / elapsed, empty: missed, median: quantile(0.5),
            p99: quantile(0.99))
    }

    /// Puts jobs into the line at once, of each part in turn, one a millisecond until now.
    private func fill(_ db: PostgresConnection, _ schema: String) throws {
        let request = GenerationRequest(
            kind: .video, prompt: "a red balloon over the sea at dusk", model: Self.model, width: 832, height: 480,
            frames: 81)
        let text = String(decoding: try JSONEncoder().encode(request), as: UTF8.self)
        try db.execute(
            """
            WITH new AS (
                INSERT INTO \(schema).job (id, kind, priority, state, steps, parameters, model, part, shape, weights)
                SELECT 'video_' || replace(gen_random_uuid()::text, '-', ''), 'video', 'interactive', 'queued', 8, $1, $2,
                ($3::text[])[1 + n % cardinality($3::text[])], '1x16x8x8', '{}' FROM generate_series(1, $4::integer) AS n
                RETURNING id, sequence, model, part, shape
            )
            INSERT INTO \(schema).line (id, sequence, model, part, shape, priority, since)
            SELECT id, sequence, model, part, shape, 0, clock_timestamp() - interval '1 ms' * (max(sequence) OVER () - sequence)
            FROM new
            """, [.text(text), .text(Self.model), .texts(Self.parts), .integer(waiting)])
        try db.execute("VACUUM ANALYZE \(schema).line")
    }

    private static func dead(_ db: PostgresConnection, _ schema: String) throws -> Int {
        // The server's counts come after half a second or so.
        Thread.sleep(forTimeInterval: 1)
        return try db.execute(
            "SELECT n_dead_tup FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'line'", [.text(schema)]
        ).first?.integer("n_dead_tup") ?? 0
    }

    private func plan(_ db: PostgresConnection, _ ledger: PostgresLedger) throws -> [String] {
        try db.transaction { db in
            try db.execute(
                "EXPLAIN (ANALYZE, BUFFERS) \(ledger.claiming)",
                [
                    .texts(Self.places.map(\.model)), .texts(Self.parts), .text(Self.model), .text(Self.parts[1]),
                    .integer(1), .text("worker"), .number(30),
                ]
            ).compactMap { $0.text("QUERY PLAN") }
        }
    }
}

/// What was measured.
package struct ClaimReport: Codable, Sendable {
    package struct Rate: Codable, Sendable {
        package let perSecond: Double
        /// Tries that got nothing although jobs waited, because others were faster.
        package let empty: Int
        /// Seconds.
        package let median: Double
        package let p99: Double
    }

    package let connections: Int
    package let waiting: Int
    /// Claims alone.
    package let claims: Rate
    package let deadAfterClaims: Int
    /// Claims with what follows each: a hand-over, or an end and a new job.
    package let churn: Rate
    /// Dead rows of the hot table: the most that were there, and those at the end.
    package let mostDead: Int
    package let deadAfterChurn: Int
    /// Of the hot table and its indexes.
    package let tableBytes: Int
    /// What the server says of the claim.
    package let plan: [String]

    package var text: String {
        func line(_ name: String, _ rate: Rate) -> String {
            let milliseconds = [rate.median, rate.p99].map { String(format: "%.1f", $0 * 1000) }
            return "\(name)  \(Int(rate.perSecond.rounded())) a second, median \(milliseconds[0]) ms, "
                + "p99 \(milliseconds[1]) ms, \(rate.empty) empty"
        }
        return """
            \(connections) connections, \(waiting) waiting jobs
            \(line("claims:", claims)); dead rows after it: \(deadAfterClaims)
            \(line("claim and hand-over or end:", churn))
            dead rows at most \(mostDead), at the end \(deadAfterChurn); line and its indexes: \(tableBytes >> 20) MiB

            \(plan.joined(separator: "\n"))
            """
    }
}
