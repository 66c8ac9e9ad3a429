import Foundation
import Jobs
import Testing

@Suite(.timeLimit(.minutes(5)))
struct QueueTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    // MARK: Cancel

    @Test func cancellingARunningJobStopsItWithinOneBlock() async throws {
        let model = try AnalyticModel(blockSeconds: 0.05)
        let engine = try scratch.engine(model)
        let job = try await engine.submit(.image(count: 2))
        while model.parts.blocks.load(ordering: .relaxed) < 5 { try await Task.sleep(for: .milliseconds(1)) }
        try await engine.cancel(job.id)
        let blocks = model.parts.blocks.load(ordering: .relaxed)
        #expect(blocks < 4 * AnalyticModel.blocksPerEvaluation)
        let cancelled = try await engine.end(of: job.id)
        #expect(cancelled.state == .cancelled)
        #expect(cancelled.finishedAt != nil && cancelled.step < 4)
        // One block may have been about to begin when the signal was given.
        #expect(model.parts.blocks.load(ordering: .relaxed) <= blocks + 1)
        #expect(try scratch.artifacts(of: "state").isEmpty)
        // What has ended stays as it is.
        #expect(try await engine.cancel(job.id) == cancelled)
    }

    @Test(arguments: ["text", "evaluation 2", "decode", "frame 1"])
    func aVideoIsCancelledAtEveryStage(place: String) async throws {
        let gate = Gate(at: place)
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        let job = try await engine.submit(.video())
        try await gate.arrival()
        #expect(try await engine.cancel(job.id).state == .running)
        gate.open()
        #expect(try await engine.end(of: job.id).state == .cancelled)
        #expect(try scratch.artifacts(of: "state").isEmpty)
        #expect(try await engine.run(.image()).state == .succeeded)
    }

    @Test func aWaitingJobIsCancelledAtOnce() async throws {
        let gate = Gate(at: "text")
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        let running = try await engine.submit(.image())
        try await gate.arrival()
        let first = try await engine.submit(.image(seed: 1))
        let second = try await engine.submit(.image(seed: 2))
        #expect(first.queuePosition == 0 && second.queuePosition == 1)
        #expect(try await engine.cancel(first.id).state == .cancelled)
        #expect(try await engine.job(second.id).queuePosition == 0)
        gate.open()
        #expect(try await engine.end(of: second.id).state == .succeeded)
        #expect(try await engine.job(running.id).state == .succeeded)
        #expect(try await engine.job(first.id).startedAt == nil)
    }

    @Test func deletingARunningJobCancelsAndForgetsIt() async throws {
        let model = try AnalyticModel(blockSeconds: 0.05)
        let engine = try scratch.engine(model)
        let job = try await engine.submit(.video())
        while model.parts.blocks.load(ordering: .relaxed) < 2 { try await Task.sleep(for: .milliseconds(1)) }
        try await engine.delete(job.id)
        #expect(model.parts.blocks.load(ordering: .relaxed) < 4 * AnalyticModel.blocksPerEvaluation)
        await #expect(throws: ServingError.unknownJob(job.id)) { try await engine.job(job.id) }
        await #expect(throws: ServingError.unknownJob(job.id)) { try await engine.events(of: job.id) }

        let done = try await engine.run(.image())
        try await engine.delete(done.id)
        await #expect(throws: ServingError.unknownArtifact(done.artifacts[0].id)) {
            try await engine.artifact(done.artifacts[0].id)
        }
        #expect(try scratch.artifacts(of: "state").isEmpty)
    }

    // MARK: Full

    @Test func aFullQueueRefusesAndSaysWhenToComeAgain() async throws {
        let model = try AnalyticModel(blockSeconds: 0.01)
        let engine = try scratch.engine(model) { ($0.queueCapacity, $0.activeRuns) = (2, 1) }
        // 4 steps of 20 blocks of 10 ms: 0.8 s at least.
        let started = ContinuousClock.now
        _ = try await engine.run(.image())
        let measured = started.duration(to: .now) / .seconds(1)
        let running = try await engine.submit(.image(count: 10))
        while try await engine.job(running.id).state == .queued { try await Task.sleep(for: .milliseconds(1)) }
        let waiting = try await engine.submit(.image(seed: 1))
        _ = try await engine.submit(.image(seed: 2))
        do {
            _ = try await engine.submit(.image(seed: 3))
            Issue.record("accepted beyond the capacity")
        } catch ServingError.queueFull(let capacity, let retryAfter) {
            #expect(capacity == 2)
            // Ten times the work of the job that was measured, less what has passed.
            #expect(Double(retryAfter) >= 10 * 0.8 * 0.5 && Double(retryAfter) <= 10 * measured + 1)
        }
        #expect(engine.readiness == .notReady("the queue is full"))
        #expect(try await engine.jobs().jobs.count == 4)
        try await engine.cancel(waiting.id)
        #expect(engine.readiness == .ready)
        _ = try await engine.submit(.image(seed: 3))
        try await engine.cancel(running.id)
    }

    @Test func manyAtOnceDoNotOverfillIt() async throws {
        let gate = Gate(at: "text")
        let engine = try scratch.engine(AnalyticModel(gate: gate)) { $0.queueCapacity = 5 }
        _ = try await engine.submit(.image())
        try await gate.arrival()
        let accepted = await withTaskGroup(of: Bool.self) { group in
            for seed in 0..<30 {
                group.addTask { (try? await engine.submit(.image(seed: UInt64(seed)))) != nil }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(accepted == 5)
        gate.open()
        let jobs = try await engine.jobs(limit: 100).jobs
        #expect(jobs.count == 6)
        for job in jobs { #expect(try await engine.end(of: job.id).state == .succeeded) }
    }

    // MARK: Order and pages

    @Test func jobsRunInTheOrderTheyCameAndAreListedInPages() async throws {
        let engine = try scratch.engine(AnalyticModel()) { $0.activeRuns = 1 }
        var ids: [String] = []
        for seed in 0..<5 {
            ids.append(try await engine.submit(seed == 2 ? .video() : .image(seed: UInt64(seed))).id)
        }
        for id in ids { _ = try await engine.end(of: id) }
        let all = try await engine.jobs(limit: 10, oldestFirst: true)
        #expect(all.jobs.map(\.id) == ids)
        #expect(!all.hasMore)
        let ends = all.jobs.compactMap(\.finishedAt)
        #expect(ends.count == 5 && ends == ends.sorted())
        for (job, later) in zip(all.jobs, all.jobs.dropFirst()) {
            #expect(try #require(job.finishedAt) <= #require(later.startedAt))
        }

        let first = try await engine.jobs(kind: .image, limit: 2)
        #expect(first.jobs.map(\.id) == [ids[4], ids[3]])
        #expect(first.hasMore)
        let second = try await engine.jobs(kind: .image, limit: 2, after: ids[3])
        #expect(second.jobs.map(\.id) == [ids[1], ids[0]])
        #expect(!second.hasMore)
        await #expect(throws: ServingError.unknownJob("nobody")) { try await engine.jobs(after: "nobody") }
    }

    // MARK: Idempotency

    @Test func aRequestSentAgainIsNotDoneAgain() async throws {
        let model = try AnalyticModel()
        let engine = try scratch.engine(model)
        let key = Idempotency(key: "one", body: "body".utf8)
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
            for seed in 0..<10 {
                group.addTask { try await engine.submit(.image(seed: UInt64(seed)), idempotency: key).id }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        let id = try #require(ids.first)
        #expect(ids.count == 1)
        let done = try await engine.end(of: id)
        #expect(try await engine.submit(.image(), idempotency: key) == done)
        #expect(model.parts.evaluations.load(ordering: .relaxed) == 4)
        await #expect(throws: ServingError.idempotencyConflict(key: "one")) {
            try await engine.submit(.image(), idempotency: Idempotency(key: "one", body: "another".utf8))
        }
        let other = try await engine.submit(.image(), idempotency: Idempotency(key: "two", body: "body".utf8))
        #expect(other.id != id)
        // All places that were promised have been taken or given back.
        _ = try await engine.end(of: other.id)
        #expect(engine.readiness == .ready)
    }
}
