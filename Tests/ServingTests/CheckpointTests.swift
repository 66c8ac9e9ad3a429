import Foundation
import Jobs
import Testing

/// What a run has done outlives its process.
@Suite(.timeLimit(.minutes(5)))
struct CheckpointTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func checkpoints(_ state: String = "state") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: scratch("\(state)/checkpoints"))
    }

    private static let teacher = GenerationRequest.image(count: 2, seed: UInt64(Int64.max) - 1, generator: "teacher")

    private func expected() async throws -> [Data] {
        let engine = try scratch.engine("alone", AnalyticModel())
        return try await engine.files(of: engine.run(Self.teacher))
    }

    /// Stops an engine in the fourth step of six.
    private func stopped() async throws -> String {
        let gate = Gate(at: "evaluation 4")
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        let id = try await engine.submit(Self.teacher).id
        try await gate.arrival()
        async let drained: Void = engine.drain(within: 0)
        while engine.readiness == .ready { try await Task.sleep(for: .milliseconds(1)) }
        try await Task.sleep(for: .milliseconds(30))
        gate.open()
        await drained
        #expect(try checkpoints() == [id])
        return id
    }

    @Test func aStoppedRunGoesOnWithTheStepAfter() async throws {
        let id = try await stopped()
        let gate = Gate(at: "text")
        let model = try AnalyticModel(gate: gate)
        let engine = try scratch.engine(model)
        let events = try await engine.events(of: id, after: 0)
        var steps: [Int] = []
        for await event in events where event.name == .step { steps.append(event.job.step) }
        #expect(steps == [3, 4, 5, 6])
        let job = try await engine.end(of: id)
        #expect(job.timings.steps.map(\.step) == [1, 2, 3, 4, 5, 6])
        #expect(try await engine.files(of: job) == expected())
        #expect(model.parts.evaluations.load(ordering: .relaxed) == 3)
        // The prompts are remembered as well.
        #expect(!gate.hasArrived)
        #expect(try checkpoints().isEmpty)
    }

    @Test(arguments: ["damaged", "cut", "of other weights", "of another job"])
    func oneThatDoesNotFitIsLeftAside(how: String) async throws {
        let id = try await stopped()
        let path = URL(filePath: scratch("state/checkpoints/\(id)"))
        var bytes = try Data(contentsOf: path)
        switch how {
        case "damaged": bytes[bytes.count / 2] ^= 1
        case "cut": bytes = bytes.prefix(bytes.count / 3)
        default: break
        }
        try bytes.write(to: path)
        var version = "1"
        if how == "of other weights" { version = "2" }
        if how == "of another job" {
            let other = "image_" + String(repeating: "0", count: 32)
            try bytes.write(to: URL(filePath: scratch("state/checkpoints/\(other)")))
        }
        let model = try AnalyticModel(version: version)
        let engine = try scratch.engine(model) { $0.store.strayGraceSeconds = 0 }
        let job = try await engine.end(of: id)
        #expect(try await engine.files(of: job) == expected())
        #expect(model.parts.evaluations.load(ordering: .relaxed) == (how == "of another job" ? 3 : 6))
        #expect(try checkpoints().isEmpty)
    }

    @Test func aKilledRunGoesOnFromItsLastCheckpoint() async throws {
        // Six steps of 0.7 s, of which a checkpoint may take a hundredth.
        let gate = Gate(at: "evaluation 6")
        let model = try AnalyticModel(gate: gate, blockSeconds: 0.035)
        let engine = try scratch.engine("killed", model)
        let id = try await engine.submit(Self.teacher).id
        try await gate.arrival()
        try FileManager.default.copyItem(atPath: scratch("killed"), toPath: scratch("left"))
        try await engine.cancel(id)
        gate.open()
        #expect(try await engine.end(of: id).state == .cancelled)
        #expect(try checkpoints("killed").isEmpty)

        let again = try AnalyticModel()
        let next = try scratch.engine("left", again)
        let job = try await next.end(of: id)
        #expect(job.timings.steps.map(\.step) == [1, 2, 3, 4, 5, 6])
        #expect(try await next.files(of: job) == expected())
        #expect((1...5).contains(again.parts.evaluations.load(ordering: .relaxed)))
        let text = await engine.renderMetrics()
        #expect(text.contains("phasor_checkpoint_seconds_count"))
    }
}
