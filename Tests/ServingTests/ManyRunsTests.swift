import Diffusion
import Foundation
import Jobs
import Models
import Pipelines
import Serving
import Testing

/// Several jobs under way at once.
@Suite(.timeLimit(.minutes(5)))
struct ManyRunsTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Submits while the engine is held at the first prompt, so that all wait at the same time.
    private func burst(
        _ requests: [GenerationRequest], _ model: AnalyticModel, _ change: (inout EngineOptions) -> Void = { _ in }
    ) async throws -> (Engine, [Job]) {
        let engine = try scratch.engine(UUID().uuidString, model, change)
        var ids: [String] = []
        for (index, request) in requests.enumerated() {
            ids.append(try await engine.submit(request).id)
            if index == 0 { try await model.gate.arrival() }
        }
        model.gate.open()
        var jobs: [Job] = []
        for id in ids { jobs.append(try await engine.end(of: id)) }
        return (engine, jobs)
    }

    private static func switches(_ engine: Engine, _ policy: String) async -> String {
        let name = "phasor_expert_switches_total{policy=\"\(policy)\"} "
        return await engine.renderMetrics().split(separator: "\n").first { $0.hasPrefix(name) }
            .map { String($0.dropFirst(name.count)) } ?? "none"
    }

    @Test(arguments: [nil, 1])
    func aBurstSharesEvaluationsAndChangesExpertsOnce(memory: Int?) async throws {
        let requests = (0..<8).map { GenerationRequest.image("prompt \($0)", seed: UInt64($0)) }
        let model = try AnalyticModel(gate: Gate(at: "text"), memory: memory)
        let (engine, jobs) = try await burst(requests, model)
        #expect(jobs.allSatisfy { $0.state == .succeeded && $0.step == 4 && $0.timings.steps.count == 4 })
        #expect(model.parts.evaluations.load(ordering: .relaxed) == 4)
        #expect(await Self.switches(engine, "phase_synchronous") == "1")
        let (fifo, alone) = try await burst(requests, AnalyticModel(gate: Gate(at: "text"))) { $0.policy = .fifo }
        #expect(await Self.switches(fifo, "fifo") == "15")
        for (one, other) in zip(jobs, alone) {
            #expect(try await engine.files(of: one) == fifo.files(of: other))
        }
    }

    @Test func theModelIsToldWhatComesNext() async throws {
        let model = try AnalyticModel(gate: Gate(at: "text"))
        _ = try await burst([.image(), .image("another")], model)
        let told = model.parts.expectations.withLock { $0 }
        let (high, low) = (Part.expert("transformer"), Part.expert("transformer_2"))
        // The second had not come when the first began.
        #expect(told.first == [.textEncoder, high, high, low, low, .vae])
        #expect(told.contains([.textEncoder, high, high, low, low, .vae]))
        #expect(told.contains([high, high, low, low, .vae]))
        #expect(told.suffix(2) == [[.vae, .vae], [.vae]])
    }

    @Test func cancellingOneOfABatchHarmsNoOther() async throws {
        let gate = Gate(at: "text")
        let model = try AnalyticModel(gate: gate)
        let engine = try scratch.engine(model)
        var ids: [String] = []
        for seed in 0..<3 {
            ids.append(try await engine.submit(.image("p\(seed)", seed: UInt64(seed))).id)
            if seed == 0 { try await gate.arrival() }
        }
        gate.move(to: "evaluation 2")
        try await gate.arrival()
        #expect(try await engine.cancel(ids[1]).state == .running)
        gate.open()
        #expect(try await engine.end(of: ids[1]).state == .cancelled)
        // The second evaluation ended before its first block, and was done again.
        let lone = try scratch.engine("lone", AnalyticModel())
        for index in [0, 2] {
            let job = try await engine.end(of: ids[index])
            #expect(job.state == .succeeded && job.timings.steps.map(\.step) == [1, 2, 3, 4])
            let other = try await lone.run(.image("p\(index)", seed: UInt64(index)))
            #expect(try await engine.files(of: job) == lone.files(of: other))
        }
        #expect(model.parts.evaluations.load(ordering: .relaxed) == 5)
        #expect(model.parts.blocks.load(ordering: .relaxed) == 4 * AnalyticModel.blocksPerEvaluation)
        #expect(try scratch.artifacts(of: "state").count == 2)
    }

    @Test func aJobBetweenTwoStepsIsCancelledAtOnce() async throws {
        let gate = Gate(at: "text")
        let engine = try scratch.engine(AnalyticModel(gate: gate)) { $0.policy = .fifo }
        let first = try await engine.submit(.image("a"))
        try await gate.arrival()
        let second = try await engine.submit(.image("b"))
        gate.move(to: "evaluation 2")
        try await gate.arrival()
        #expect(try await engine.job(second.id).state == .running)
        #expect(try await engine.cancel(second.id).state == .cancelled)
        gate.open()
        #expect(try await engine.end(of: first.id).state == .succeeded)
        #expect(try await engine.job(second.id).state == .cancelled)
        #expect(try await engine.jobs().jobs.count == 2)
    }

    @Test func oneThatFailsFailsAlone() async throws {
        let requests = [GenerationRequest.image("a"), .image(AnalyticModel.poison), .image("b")]
        let (_, jobs) = try await burst(requests, AnalyticModel(gate: Gate(at: "text")))
        #expect(jobs.map(\.state) == [.succeeded, .failed, .succeeded])
        #expect(jobs[1].failure?.code == "generation_failed")
        #expect(jobs[0].timings.steps.count == 4)
    }

    @Test func interactiveJobsGoBeforeBatchJobs() async throws {
        let gate = Gate(at: "evaluation 2")
        let engine = try scratch.engine(AnalyticModel(gate: gate)) { $0.activeRuns = 2 }
        var batch: [String] = []
        for seed in 0..<4 {
            let request = GenerationRequest.image("night", seed: UInt64(seed), generator: "teacher")
            batch.append(try await engine.submit(request, priority: .batch).id)
        }
        try await gate.arrival()
        let interactive = try await engine.submit(.image("now"))
        #expect(interactive.queuePosition == 0)
        gate.open()
        let done = try await engine.end(of: interactive.id)
        for id in batch {
            let job = try await engine.end(of: id)
            #expect(job.state == .succeeded && job.priority == .batch)
            #expect(try #require(job.finishedAt) > #require(done.finishedAt))
        }
        await engine.drain(within: 10)
        // The row keeps it.
        let next = try scratch.engine(AnalyticModel())
        #expect(try await next.job(batch[0]).priority == .batch)
        #expect(try await next.job(interactive.id).priority == .interactive)
    }

    @Test func aKeyHasItsQuotaOfRunningJobs() async throws {
        let gate = Gate(at: "text")
        let engine = try scratch.engine(AnalyticModel(gate: gate)) { $0.activeRunsPerOwner = 1 }
        var jobs: [Job] = [try await engine.submit(.image("first"), owner: "a")]
        try await gate.arrival()
        for owner in ["a", "a", "b", nil, nil] {
            jobs.append(try await engine.submit(.image("\(jobs.count)"), owner: owner))
        }
        gate.move(to: "evaluation 1")
        try await gate.arrival()
        var states: [Job.State] = []
        for job in jobs { states.append(try await engine.job(job.id).state) }
        #expect(states == [.running, .queued, .queued, .running, .running, .running])
        gate.open()
        for job in jobs { #expect(try await engine.end(of: job.id).state == .succeeded) }
    }
}
