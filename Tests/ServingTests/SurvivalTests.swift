import Foundation
import Jobs
import Testing

/// What is on disk when a process is killed is what a copy of the state folder holds at that moment.
@Suite(.timeLimit(.minutes(5)))
struct SurvivalTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test(arguments: GenerationRequest.Kind.allCases, ["text", "evaluation 1", "evaluation 3", "decode", "frame 0"])
    func aKillLosesNothingAndDoublesNothing(kind: GenerationRequest.Kind, place: String) async throws {
        let gate = Gate(at: place)
        let engine = try scratch.engine("killed", AnalyticModel(gate: gate))
        let request = kind == .image ? GenerationRequest.image(count: 2) : .video()
        let running = try await engine.submit(request)
        let waiting = try await engine.submit(.image("another", seed: 12))
        let unwanted = try await engine.submit(.image("unwanted"))
        try await engine.cancel(unwanted.id)
        try await gate.arrival()
        var lastEvent: Int64 = 0
        for await event in try await engine.events(of: running.id) {
            lastEvent = event.id
            break
        }

        try FileManager.default.copyItem(atPath: scratch("killed"), toPath: scratch("left"))
        // A kill between renaming a file and writing its row leaves the file, one before leaves it aside.
        for name in ["\(running.id)-0.png", "\(running.id)-0.mp4.partial"] {
            try Data("half".utf8).write(to: URL(filePath: scratch("left/artifacts/\(name)")))
        }
        gate.open()
        let expected = try await [engine.end(of: running.id), engine.end(of: waiting.id)]

        let model = try AnalyticModel()
        // One after the other, so that evaluations can be counted.
        let next = try scratch.engine("left", model) {
            $0.policy = .fifo
            $0.store.strayGraceSeconds = 0
        }
        for job in expected {
            let done = try await next.end(of: job.id)
            #expect(done.state == .succeeded)
            #expect(done.request == job.request)
            #expect(try await next.files(of: done) == engine.files(of: job))
        }
        for await event in try await next.events(of: running.id) { #expect(event.id > lastEvent) }
        #expect(try await next.job(unwanted.id).state == .cancelled)
        #expect(model.parts.evaluations.load(ordering: .relaxed) == 8)
        let names = expected.flatMap(\.artifacts).map { URL(filePath: $0.path).lastPathComponent }
        #expect(try scratch.artifacts(of: "left") == names.sorted())
        #expect(try await next.jobs().jobs.count == 3)

        // Nothing is left to do for the start after that.
        await next.drain(within: 10)
        let idle = try AnalyticModel()
        let last = try scratch.engine("left", idle)
        for job in expected { #expect(try await last.end(of: job.id).state == .succeeded) }
        #expect(idle.parts.evaluations.load(ordering: .relaxed) == 0)
    }

    @Test func drainingFinishesTheRunningJobAndKeepsTheRest() async throws {
        let gate = Gate(at: "decode")
        let engine = try scratch.engine(AnalyticModel(gate: gate)) { $0.activeRuns = 1 }
        let running = try await engine.submit(.image())
        let waiting = try await engine.submit(.image(seed: 2))
        try await gate.arrival()
        let drained = Task { await engine.drain(within: 60) }
        while engine.readiness == .ready { try await Task.sleep(for: .milliseconds(1)) }
        await #expect(throws: ServingError.draining) { try await engine.submit(.image(seed: 3)) }
        gate.open()
        await drained.value
        #expect(try await engine.job(running.id).state == .succeeded)
        #expect(try await engine.job(waiting.id).state == .queued)
        // Whoever listens to what will not happen is let go.
        for await event in try await engine.events(of: waiting.id) { #expect(event.name == .queued) }

        let next = try scratch.engine(AnalyticModel())
        #expect(try await next.end(of: waiting.id).state == .succeeded)
    }

    @Test func aDrainThatTakesTooLongStopsTheRunningJobToRunAgain() async throws {
        let model = try AnalyticModel(blockSeconds: 0.05)
        let engine = try scratch.engine(model)
        let id = try await engine.submit(.image()).id
        while model.parts.blocks.load(ordering: .relaxed) == 0 { try await Task.sleep(for: .milliseconds(1)) }
        await engine.drain(within: 0.1)
        #expect(model.parts.blocks.load(ordering: .relaxed) < AnalyticModel.blocksPerEvaluation * 4)
        let next = try scratch.engine(AnalyticModel())
        let job = try await next.end(of: id)
        #expect(job.state == .succeeded)
        #expect(job.timings.steps.count == 4)
    }

    @Test func twoEnginesDoNotShareAFolder() async throws {
        let engine = try scratch.engine(AnalyticModel())
        #expect(throws: ServingError.stateInUse(folder: scratch("state"))) {
            try scratch.engine(AnalyticModel())
        }
        #expect(engine.readiness == .ready)
    }
}
