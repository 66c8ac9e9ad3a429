import Cluster
import Foundation
import Jobs
import Models
import PostgreSQL
import Synchronization
import TestSupport
import Testing

/// Everything at once.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct DisorderTests {
    /// Counts who has ended what: a job ends as often as it was accepted or retried, however many try.
    private final class Ends: Sendable {
        private let counts = Mutex<[String: (begun: Int, ended: Int)]>([:])
        let faults = Mutex<[String]>([])

        func begin(_ id: String) { counts.withLock { $0[id, default: (0, 0)].begun += 1 } }
        func end(_ id: String) { counts.withLock { $0[id, default: (0, 0)].ended += 1 } }
        var all: [String: (begun: Int, ended: Int)] { counts.withLock { $0 } }
    }

    /// Workers that die, come back, hand on, finish and let go, and clients that cancel, retry and look, all on few jobs.
    @Test(arguments: [1, 2] as [UInt64])
    func `Whatever happens at once, a job ends once`(seed: UInt64) async throws {
        let bench = try Bench(.postgres)
        let ledger = try bench.another { $0.connections = 12 }
        #expect(try ledger.setWebhooks(["a"]) == 0)
        let ends = Ends()
        var ids: [String] = []
        for _ in 0..<24 {
            let job = try await ledger.insert(.new(), idempotency: nil).job
            ends.begin(job.id)
            ids.append(job.id)
        }
        let places = (["text", "high", "low"] as [Part]).map { PartLine.Place(model: "m", part: $0) }
        let deadline = ContinuousClock.now + .seconds(4)
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<6 {
                group.addTask {
                    var random = SplitMix64(seed: seed &* 100 &+ UInt64(worker))
                    do {
                        try Self.work(ledger, "w\(worker)", places, ends, until: deadline, &random)
                    } catch {
                        ends.faults.withLock { $0.append("\(error)") }
                    }
                }
            }
            for client in 0..<4 {
                group.addTask { [ids] in
                    var random = SplitMix64(seed: seed &* 1000 &+ UInt64(client))
                    do {
                        try await Self.meddle(ledger, ids, ends, until: deadline, &random)
                    } catch {
                        ends.faults.withLock { $0.append("\(error)") }
                    }
                }
            }
        }
        #expect(ends.faults.withLock { $0.isEmpty }, "\(ends.faults.withLock { $0 })")
        // A job is in the line exactly if it has not ended.
        let db = try bench.connection()
        let strays = try db.execute(
            """
            SELECT coalesce(job.id, line.id) AS id, state, worker FROM \(bench.schema).job
            FULL JOIN \(bench.schema).line ON line.id = job.id
            WHERE (state IN ('queued', 'running')) IS DISTINCT FROM (line.id IS NOT NULL)
            OR (state = 'queued' AND line.begun) OR (state = 'running' AND NOT line.begun)
            """)
        #expect(strays.isEmpty, "\(strays.map(\.self))")
        // Those that three lost workers have ended were ended by nobody here.
        var given = 0
        for id in ids {
            let job = try await ledger.job(id)
            let count = try #require(ends.all[id])
            let notices = try db.execute("SELECT 1 FROM \(bench.schema).notice WHERE job = $1", [.text(id)]).count
            #expect(notices == count.begun - (job.state.isTerminal ? 0 : 1), "\(id) \(job.state) \(count)")
            #expect(count.ended <= notices)
            #expect(job.artifacts.count == (job.state == .succeeded ? 1 : 0))
            given += count.ended
        }
        #expect(given > 0)
    }

    private static func work(
        _ ledger: PostgresLedger, _ name: String, _ places: [PartLine.Place], _ ends: Ends,
        until deadline: ContinuousClock.Instant, _ random: inout SplitMix64
    ) throws {
        // What it holds, or believes to hold.
        var held: [Claim] = []
        while ContinuousClock.now < deadline {
            if held.isEmpty || UInt.random(in: 0..<3, using: &random) == 0 {
                let limit = Int.random(in: 1...3, using: &random)
                held += try ledger.claim(worker: name, places: places, held: nil, limit: limit, lease: 0.05)
                continue
            }
            let index = Int.random(in: 0..<held.count, using: &random)
            let claim = held[index]
            let (id, fence) = (claim.job.id, claim.fence)
            let part = places.randomElement(using: &random)?.part ?? "text"
            switch Int.random(in: 0..<9, using: &random) {
            case 0:
                // It dies, and forgets, or sleeps and comes back.
                if Bool.random(using: &random) { held = [] }
                Thread.sleep(forTimeInterval: 0.07)
            case 1:
                let fences = Dictionary(held.map { ($0.job.id, $0.fence) }, uniquingKeysWith: max)
                _ = try ledger.heartbeat(worker: name, fences: fences, lease: 0.05)
            case 2:
                _ = try ledger.advance(id, fence: fence, to: part, blob: "b\(fence)", progress: claim.progress + 1)
            case 3, 4:
                _ = try ledger.handOn(
                    id, fence: fence, to: part, shape: "", blob: "h\(fence)", progress: claim.progress + 1)
                held.remove(at: index)
            case 5:
                _ = try ledger.letGo(Dictionary(held.map { ($0.job.id, $0.fence) }, uniquingKeysWith: max))
                held = []
            case 6:
                _ = try ledger.append([WorkEvent(.step, claim.job, fence: fence)])
            case 7:
                if try ledger.refuse(id, fence: fence, reason: "r") { ends.end(id) }
                held.remove(at: index)
            default:
                var job = claim.job
                job.state = .succeeded
                job.artifacts = [
                    Artifact(
                        id: "a\(fence)", job: id, contentType: "image/png", bytes: 1, path: "\(id)-0.png",
                        isExpired: false)
                ]
                if try ledger.finish(job, fence: fence) { ends.end(id) }
                held.remove(at: index)
            }
        }
    }

    private static func meddle(
        _ ledger: PostgresLedger, _ ids: [String], _ ends: Ends, until deadline: ContinuousClock.Instant,
        _ random: inout SplitMix64
    ) async throws {
        while ContinuousClock.now < deadline {
            let id = ids.randomElement(using: &random) ?? ""
            switch Int.random(in: 0..<6, using: &random) {
            case 0: if try await ledger.cancel(ledger.job(id), at: Date()) { ends.end(id) }
            case 1, 2, 3:
                do {
                    _ = try await ledger.retry(id)
                    ends.begin(id)
                } catch ServingError.notRetriable {}
            case 4: _ = try await ledger.events(of: id, after: nil)
            default: _ = try ledger.rescue()
            }
        }
    }
}
