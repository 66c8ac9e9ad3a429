import Cluster
import Foundation
import Jobs
import Models
import PostgreSQL
import TestSupport
import Testing

/// The order of claims is said twice: by the database's statement, and by the function that simulations use.
@Suite(
    .timeLimit(.minutes(5)), .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct ClaimOrderTests {
    @Test func theDatabaseClaimsAsTheFunctionSays() async throws {
        let bench = try Bench(.postgres)
        let ledger = try #require(bench.postgres)
        let parts: [Part] = ["text", "high", "low"]
        var random = SplitMix64(seed: 5)
        for _ in 0..<12 {
            // Ages of whole minutes: the clock goes on between the two looks. Jobs that have begun have no turns.
            var jobs: [(id: String, head: ClaimOrder.Head)] = []
            for sequence in 0..<9 {
                let part = Int(random.next() % 3)
                let priority = Int(random.next() % 2)
                let age = Double(random.next() % 30) * 60 + 30
                let job = try await ledger.insert(
                    .new(priority: priority == 0 ? .interactive : .batch),
                    needs: JobNeeds(part: parts[part].name, shape: "", weights: [:]), idempotency: nil
                ).job
                _ = try bench.connection().execute(
                    """
                    UPDATE \(bench.schema).line SET turn = 0, since = clock_timestamp() - interval '\(age) s'
                    WHERE id = '\(job.id)'
                    """)
                jobs.append((job.id, .init(part: part, priority: priority, since: -age, sequence: sequence)))
            }
            var held: Int?
            while !jobs.isEmpty {
                let first = try #require(ClaimOrder.first(of: jobs.map(\.head), held: held, now: 0))
                let claims = try ledger.claim(
                    worker: "w", places: parts.map { PartLine.Place(model: "m", part: $0) },
                    held: held.map { PartLine.Place(model: "m", part: parts[$0]) }, limit: 1)
                let claimed = try #require(claims.first.flatMap { claim in jobs.first { $0.id == claim.job.id } })
                #expect(claimed.head.part == first.part && claimed.head.priority == first.priority)
                #expect(claimed.head.since == first.since)
                jobs.removeAll { $0.id == claimed.id }
                held = claimed.head.part
            }
        }
    }
}
