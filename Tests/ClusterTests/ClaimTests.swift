import Cluster
import Foundation
import Jobs
import Models
import PostgreSQL
import Synchronization
import TestSupport
import Testing

/// How workers get jobs, and what they may write of them.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct ClaimTests {
    private let bench: Bench
    private let ledger: PostgresLedger
    private let text = PartLine.Place(model: "m", part: "text")
    private let high = PartLine.Place(model: "m", part: "high")
    private let low = PartLine.Place(model: "m", part: "low")

    init() throws {
        bench = try Bench(.postgres)
        ledger = try #require(bench.postgres)
    }

    private func insert(
        _ part: Part = "text", shape: String = "", priority: Priority = .interactive, owner: String? = nil
    ) async throws -> Job {
        try await ledger.insert(
            .new(priority: priority, owner: owner),
            needs: JobNeeds(part: part.name, shape: shape, weights: [part.name: "d"]),
            idempotency: nil
        ).job
    }

    private func sql(_ sql: String) throws -> PostgresRows {
        try bench.connection().execute(sql.replacing("$S", with: bench.schema))
    }

    private func age(_ job: Job, _ seconds: Int) throws {
        _ = try sql("UPDATE $S.line SET since = clock_timestamp() - interval '\(seconds) s' WHERE id = '\(job.id)'")
    }

    private func claim(
        _ worker: String = "w", _ places: [PartLine.Place]? = nil, held: PartLine.Place? = nil, limit: Int = 1,
        lease: Double = 30
    ) throws -> [Claim] {
        try ledger.claim(worker: worker, places: places ?? [text, high, low], held: held, limit: limit, lease: lease)
    }

    /// All that the tables say.
    private func dump() throws -> [String] {
        try ["job", "line", "artifact", "event", "notice"].flatMap { table in
            try sql("SELECT t::text AS row FROM $S.\(table) AS t ORDER BY 1").compactMap { $0.text("row") }
        }
    }

    // MARK: Who gets what

    @Test func `Of 2,000 jobs that 20 connections claim, none is given twice and none is lost`() throws {
        try bench.fill(2000, parts: ["text", "high", "low"], shapes: ["a", "b"])
        let wide = try bench.another { $0.connections = 20 }
        let claimed = Mutex<[Claim]>([])
        let faults = Mutex<[any Error]>([])
        let group = DispatchGroup()
        for worker in 0..<20 {
            group.enter()
            Thread.detachNewThread {
                defer { group.leave() }
                do {
                    var held: PartLine.Place?
                    var empty = 0
                    // That nothing was left for it for a moment does not mean that nothing waits.
                    while empty < 3 {
                        let claims = try wide.claim(
                            worker: "w\(worker)", places: [text, high, low], held: held, limit: 1 + worker % 4)
                        empty = claims.isEmpty ? empty + 1 : 0
                        held = claims.first.map { PartLine.Place(model: "m", part: $0.part) } ?? held
                        if Set(claims.map { "\($0.part) \($0.shape)" }).count > 1 { Issue.record("a mixed batch") }
                        claimed.withLock { $0 += claims }
                    }
                } catch {
                    faults.withLock { $0.append(error) }
                }
            }
        }
        group.wait()
        let claims = claimed.withLock { $0 }
        #expect(faults.withLock { $0.isEmpty }, "\(faults.withLock { $0 })")
        #expect(claims.count == 2000 && Set(claims.map(\.job.id)).count == 2000)
        #expect(Set(claims.map(\.fence)).count == 2000 && claims.allSatisfy { $0.job.state == .running })
        #expect(try sql("SELECT 1 FROM $S.line WHERE worker IS NULL").isEmpty)
        #expect(try sql("SELECT 1 FROM $S.job WHERE state = 'running' AND started_at IS NOT NULL").count == 2000)
    }

    @Test func `The line is ordered by overdue, priority, the part that is held, and age`() async throws {
        let old = try await insert("low")
        let held = try await insert("high")
        let batch = try await insert("high", priority: .batch)
        let overdue = try await insert("low", priority: .batch)
        let longest = try await insert("text", priority: .batch)
        try age(old, 300)
        try age(held, 10)
        try age(batch, 590)
        try age(overdue, 700)
        try age(longest, 1300)
        var order: [String] = []
        while let claim = try claim(held: high).first { order.append(claim.job.id) }
        #expect(order == [longest, overdue, held, old, batch].map(\.id))
    }

    /// As `WaitingLine` has it on one machine.
    @Test func `Owners take turns with jobs that have not begun`() async throws {
        var (jobs, names): ([String: Job], [String: String]) = ([:], [:])
        func add(_ name: String, priority: Priority = .interactive) async throws {
            let owner = name.first == "-" ? nil : String(name.prefix(1))
            let job = try await insert(priority: priority, owner: owner)
            (jobs[name], names[job.id]) = (job, name)
        }
        func next(_ count: Int = 1) throws -> [String] {
            try (0..<count).flatMap { _ in try claim().map { names[$0.job.id] ?? "" } }
        }
        for name in ["a1", "a2", "a3", "a4", "a5", "a6", "b1", "b2", "-1"] { try await add(name) }
        try await add("b3", priority: .batch)
        #expect(try await ledger.job(#require(jobs["-1"]?.id)).queuePosition == 2)
        #expect(try next(5) == ["a1", "b1", "-1", "a2", "b2"])
        // Whoever comes later comes between, and not before all that one who came earlier has left.
        for name in ["c1", "c2", "c3", "a7"] { try await add(name) }
        #expect(try next(5) == ["a3", "c1", "a4", "c2", "a5"])
        // What goes back goes to its old place, and what is handed on waits by its age.
        let last = try #require(try claim().first)
        #expect(names[last.job.id] == "c3")
        #expect(try ledger.letGo([last.job.id: last.fence]) == [last.job.id])
        #expect(try next() == ["c3"])
        let handed = try #require(try claim().first)
        #expect(names[handed.job.id] == "a6")
        #expect(try ledger.handOn(handed.job.id, fence: handed.fence, to: "text", shape: "", blob: "x", progress: 1))
        #expect(try next(3) == ["a6", "a7", "b3"])
        // A retry is a new job of its owner.
        let failed = try #require(jobs["a6"])
        try await add("a8")
        _ = try await ledger.cancel(failed, at: .storable)
        _ = try await ledger.retry(failed.id)
        try await add("d1")
        #expect(try next(3) == ["a8", "d1", "a6"])
    }

    @Test func `All workers compute a model with one arithmetic`() throws {
        try ledger.agree(on: "avx2 f32", for: "m")
        try ledger.agree(on: "avx512 bf16", for: "n")
        try ledger.agree(on: "avx2 f32", for: "m")
        #expect(throws: ClusterFault.otherArithmetic(model: "m", agreed: "avx2 f32", own: "avx512 bf16")) {
            try ledger.agree(on: "avx512 bf16", for: "m")
        }
        #expect(try bench.another().arithmetics() == ["m": "avx2 f32", "n": "avx512 bf16"])
        try ledger.forgetArithmetics()
        try ledger.agree(on: "avx512 bf16", for: "m")
        #expect(try ledger.arithmetics() == ["m": "avx512 bf16"])
    }

    @Test func `Where nothing waits for the part that is held, the oldest job says which is next`() async throws {
        var jobs: [Job] = []
        for (part, seconds) in [("low", 20), ("text", 40), ("low", 30), ("text", 10)] as [(Part, Int)] {
            jobs.append(try await insert(part))
            try age(jobs[jobs.count - 1], seconds)
        }
        // Others wait for parts that this worker does not have.
        try age(try await insert("vae"), 500)
        let first = try claim(held: high, limit: 9)
        #expect(
            first.map(\.job.id).sorted() == [jobs[1].id, jobs[3].id].sorted() && first.allSatisfy { $0.part == "text" })
        #expect(try claim(held: high, limit: 9).map(\.part) == ["low", "low"])
        #expect(try claim(held: high, limit: 9).isEmpty)
        #expect(try ledger.claim(worker: "w", places: [], held: nil, limit: 1).isEmpty)
        // Nor for a model that it does not have.
        #expect(try claim("w", [PartLine.Place(model: "n", part: "vae")]).isEmpty)
    }

    @Test func `What is claimed together has one shape and one priority`() async throws {
        var jobs: [Job] = []
        for (index, shape) in ["a", "b", "a", "a", "b", "a"].enumerated() {
            jobs.append(try await insert("high", shape: shape, priority: index == 3 ? .batch : .interactive))
        }
        #expect(try claim(limit: 2).map(\.job.id) == [jobs[0].id, jobs[2].id])
        #expect(try claim(limit: 9).map(\.job.id) == [jobs[1].id, jobs[4].id])
        #expect(try claim(limit: 9).map(\.job.id) == [jobs[5].id])
        let last = try #require(try claim(limit: 9).first)
        #expect(last.job.id == jobs[3].id && last.shape == "a" && last.weights == ["high": "d"] && last.blob == nil)
        #expect(last.progress == 0 && last.interruptions == 0 && last.sequence > 0)
    }

    // MARK: Leases and fences

    @Test func `Whoever comes back after its lease has ended changes nothing`() async throws {
        #expect(try ledger.setWebhooks(["a"]) == 0)
        let job = try await insert()
        let first = try #require(try claim("one", lease: 0.1).first)
        #expect(try claim("two").isEmpty)
        try await Task.sleep(for: .milliseconds(150))
        let second = try #require(try claim("two").first)
        #expect(second.job.id == job.id && second.fence > first.fence && second.interruptions == 1)
        let before = try dump()
        var done = first.job
        done.state = .succeeded
        done.artifacts = [
            Artifact(id: "a", job: job.id, contentType: "image/png", bytes: 1, path: "x.png", isExpired: false)
        ]
        #expect(try !ledger.finish(done, fence: first.fence))
        #expect(try !ledger.handOn(job.id, fence: first.fence, to: "high", shape: "", blob: "b", progress: 1))
        #expect(try !ledger.advance(job.id, fence: first.fence, to: "high", blob: "b", progress: 1))
        #expect(try !ledger.refuse(job.id, fence: first.fence, reason: "r"))
        #expect(try ledger.letGo([job.id: first.fence]).isEmpty)
        #expect(try ledger.append([WorkEvent(.step, first.job, fence: first.fence)]).lost == [job.id])
        let heartbeat = try ledger.heartbeat(worker: "one", fences: [job.id: first.fence, "image_nobody": 3])
        #expect(heartbeat.kept.isEmpty && heartbeat.cancelled.isEmpty && heartbeat.lost == [job.id, "image_nobody"])
        #expect(try dump() == before)
        // Nor does the right fence in the name of another.
        #expect(try ledger.heartbeat(worker: "one", fences: [job.id: second.fence]).kept.isEmpty)
        #expect(try ledger.finish(done, fence: second.fence))
        #expect(try await ledger.job(job.id).artifacts.map(\.id) == ["a"])
        // Told again, as after a connection that broke, it is the same end.
        let after = try dump()
        #expect(try ledger.finish(done, fence: second.fence) && dump() == after)
        #expect(try !ledger.finish(done, fence: first.fence) && dump() == after)
    }

    @Test func `Heartbeats keep a lease, and one that comes late but first keeps it too`() async throws {
        let job = try await insert()
        let claim = try #require(try claim("one", lease: 0.3).first)
        for _ in 0..<6 {
            try await Task.sleep(for: .milliseconds(100))
            let heartbeat = try ledger.heartbeat(worker: "one", fences: [job.id: claim.fence], lease: 0.3)
            #expect(heartbeat.kept == [job.id])
            #expect(try self.claim("two").isEmpty)
        }
        try await Task.sleep(for: .milliseconds(400))
        #expect(try ledger.heartbeat(worker: "one", fences: [job.id: claim.fence]).kept == [job.id])
        #expect(try self.claim("two").isEmpty)
    }

    @Test func `A job that takes three workers with it fails, one that gets further does not`() async throws {
        func lose(_ progress: Int64? = nil) async throws -> Claim? {
            guard let claim = try claim("w", lease: 0.05).first else { return nil }
            if let progress {
                #expect(
                    try ledger.advance(
                        claim.job.id, fence: claim.fence, to: "text", blob: "b\(progress)", progress: progress))
            }
            try await Task.sleep(for: .milliseconds(70))
            return claim
        }
        #expect(try ledger.setWebhooks(["a"]) == 0)
        let job = try await insert()
        #expect(try await lose()?.interruptions == 0)
        #expect(try await lose()?.interruptions == 1)
        #expect(try await lose(1)?.interruptions == 2)
        #expect(try await lose()?.blob == "b1")
        #expect(try await ledger.job(job.id).state == .running)
        #expect(try await lose()?.interruptions == 2)
        #expect(try await lose() == nil)
        let end = try await ledger.job(job.id)
        #expect(end.state == .failed && end.failure?.code == "process_ended" && end.finishedAt != nil)
        #expect(end.failure?.message.contains("ended 3 times") == true)
        #expect(try ledger.dueNotices(for: "a", at: Date(), limit: 9).map(\.state) == [.failed])
        // Somebody who knows better may have it begun again, from where it was.
        _ = try await ledger.retry(job.id)
        let again = try #require(try claim().first)
        #expect(again.blob == "b1" && again.progress == 1 && again.interruptions == 0)
    }

    @Test func `A job with which a worker was lost comes alone`() async throws {
        let jobs = try await [insert(), insert(), insert()]
        #expect(try claim("one", limit: 1, lease: 0.05).map(\.job.id) == [jobs[0].id])
        try await Task.sleep(for: .milliseconds(70))
        #expect(try await ledger.job(jobs[0].id).state == .running)
        // It has kept its place.
        #expect(try claim("two", limit: 3).map(\.job.id) == [jobs[0].id])
        #expect(try claim("two", limit: 3).map(\.job.id) == [jobs[1].id, jobs[2].id])
    }

    // MARK: Cancelling, handing on, letting go

    @Test func `A worker learns with its heartbeat that a job is not wanted any more`() async throws {
        let jobs = try await [insert(), insert(), insert()]
        let claims = try claim("one", limit: 3)
        let fences = Dictionary(uniqueKeysWithValues: claims.map { ($0.job.id, $0.fence) })
        #expect(try await ledger.cancel(jobs[1], at: Date()))
        try await ledger.delete(jobs[2].id)
        let heartbeat = try ledger.heartbeat(worker: "one", fences: fences)
        #expect(heartbeat.kept == [jobs[0].id] && heartbeat.cancelled == [jobs[1].id])
        #expect(heartbeat.lost == [jobs[2].id])
        // Retried at once, it is another claim's.
        _ = try await ledger.retry(jobs[1].id)
        #expect(try ledger.heartbeat(worker: "one", fences: fences).kept == [jobs[0].id])
        let again = try #require(try claim("two").first)
        #expect(again.job.id == jobs[1].id && again.fence > fences.values.max() ?? 0)
    }

    @Test func `A job goes from part to part with what was handed over`() async throws {
        let job = try await insert()
        let first = try #require(try claim("one").first)
        #expect(try ledger.handOn(job.id, fence: first.fence, to: "high", shape: "s", blob: "b1", progress: 1))
        // Told again, as after a connection that broke.
        #expect(try ledger.handOn(job.id, fence: first.fence, to: "high", shape: "s", blob: "b1", progress: 1))
        #expect(try !ledger.handOn(job.id, fence: first.fence, to: "low", shape: "s", blob: "b2", progress: 2))
        #expect(try await ledger.job(job.id).state == .running)
        #expect(try claim("one", [text, low]).isEmpty)
        let second = try #require(try claim("two", [high]).first)
        #expect(second.part == "high" && second.shape == "s" && second.blob == "b1" && second.progress == 1)
        #expect(second.job.startedAt.map { abs($0.timeIntervalSinceNow) < 60 } == true)
        #expect(try ledger.advance(job.id, fence: second.fence, to: "low", blob: "b2", progress: 2))
        // It is this worker's still, which then ends in order.
        #expect(try claim("three").isEmpty)
        #expect(try ledger.letGo([job.id: second.fence]) == [job.id])
        #expect(try await ledger.job(job.id).state == .running)
        let third = try #require(try claim("three", [low]).first)
        #expect(third.blob == "b2" && third.progress == 2 && third.interruptions == 0)
        var done = third.job
        done.state = .succeeded
        #expect(try ledger.finish(done, fence: third.fence))
        #expect(try sql("SELECT 1 FROM $S.line").isEmpty)
    }

    @Test func `What a worker lets go of before it has done anything waits at its old place`() async throws {
        let jobs = try await [insert(), insert()]
        let first = try #require(try claim("one").first)
        #expect(try await ledger.job(jobs[0].id).state == .running)
        #expect(try ledger.letGo([first.job.id: first.fence, jobs[1].id: 7]) == [jobs[0].id])
        let job = try await ledger.job(jobs[0].id)
        #expect(job.state == .queued && job.startedAt == nil && job.queuePosition == 0)
        #expect(try await ledger.job(jobs[1].id).queuePosition == 1)
        let again = try #require(try claim("two").first)
        #expect(again.job.id == jobs[0].id && again.interruptions == 0)
    }

    @Test func `A worker with other weights refuses`() async throws {
        let job = try await insert()
        let claim = try #require(try claim().first)
        #expect(claim.weights == ["text": "d"])
        #expect(try ledger.refuse(job.id, fence: claim.fence, reason: "text: model.safetensors differs"))
        let end = try await ledger.job(job.id)
        #expect(end.state == .failed)
        #expect(end.failure == Job.Failure(code: "weights_differ", message: "text: model.safetensors differs"))
    }

    @Test func `A waiting job that cannot be read fails alone`() async throws {
        let jobs = try await [insert(), insert(), insert()]
        try bench.edit(jobs[0].id, "parameters = '{}'")
        try bench.edit(jobs[1].id, "priority = 'urgent'")
        #expect(try claim(limit: 1).map(\.job.id) == [jobs[2].id])
        for job in jobs.prefix(2) {
            #expect(try bench.row(job.id, "state") == "failed")
            #expect(try await ledger.job(job.id).failure?.code == "unreadable_job")
        }
    }

    // MARK: The line

    @Test func `The line is counted by part, and by owner`() async throws {
        for owner in ["a", "a", "b", nil] {
            _ = try await ledger.insert(.new(owner: owner), idempotency: nil)
        }
        let late = try await insert("high")
        try age(late, 100)
        let lines = try ledger.waitingLines()
        #expect(lines.mapValues(\.jobs) == [text: 4, high: 1])
        #expect((100..<160).contains(lines[high]?.oldestWait ?? 0) && (0..<60).contains(lines[text]?.oldestWait ?? 99))
        #expect(try ledger.counts() == (5, 0))
        try await ledger.checkRoom(for: "a", capacity: 6, share: .whole, retryAfter: 3)
        await #expect(throws: ServingError.queueFull(capacity: 5, retryAfter: 3)) {
            try await ledger.checkRoom(for: "b", capacity: 5, share: .whole, retryAfter: 3)
        }
        await #expect(throws: ServingError.shareFull(waiting: 2, retryAfter: 3)) {
            try await ledger.checkRoom(for: "a", capacity: 9, share: .atMost(2), retryAfter: 3)
        }
        try await ledger.checkRoom(for: "b", capacity: 9, share: .atMost(2), retryAfter: 3)
        await #expect(throws: ServingError.shareFull(waiting: 2, retryAfter: 3)) {
            try await ledger.checkRoom(for: "a", capacity: 7, share: .fair, retryAfter: 3)
        }
        try await ledger.checkRoom(for: "b", capacity: 7, share: .fair, retryAfter: 3)
        #expect(try claim(limit: 9).count == 1 && claim(limit: 2).count == 2)
        #expect(try ledger.counts() == (2, 3) && ledger.waitingLines().mapValues(\.jobs) == [text: 2])
        try await ledger.checkRoom(for: "b", capacity: 3, share: .atMost(1), retryAfter: 3)
    }

    @Test func `The claim reads indexes and sorts nothing of the line`() throws {
        try bench.fill(20_000, parts: ["text", "high", "low"], shapes: ["a", "b", "c"])
        let connection = try bench.connection()
        try connection.execute("ANALYZE \(bench.schema).line")
        let plan = try connection.execute(
            "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) \(ledger.claiming)",
            [
                .texts(["m", "m", "m"]), .texts(["text", "high", "low"]), .text("m"), .text("high"), .integer(4),
                .text("w"), .number(30),
            ]
        ).compactMap { $0.text("QUERY PLAN") }
        let all = plan.joined(separator: "\n")
        #expect(
            all.contains("Index Scan using line_waiting on line") || all.contains("Index Only Scan using line_waiting"))
        #expect(all.contains("Index Scan using line_shape on line"), "\(all)")
        #expect(!all.contains("Seq Scan on line") && !all.contains("Seq Scan on job"), "\(all)")
        // No node has touched more than a few of the 20,000 rows.
        let rows = plan.compactMap { $0.firstMatch(of: /actual rows=(\d+)/).flatMap { Int($0.1) } }
        #expect(rows.count > 5 && rows.allSatisfy { $0 <= 12 }, "\(all)")
    }
}
