import Foundation
import GRDB
import Jobs
import Serving
import Testing

/// Processes that end while a job is computed: a copy of the state folder at that moment is what the next one finds.
@Suite(.timeLimit(.minutes(5)))
struct InterruptionTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Starts on `state`, waits until a computation arrives at `place`, and keeps what is on disk then as `next`.
    private func die(
        _ state: String, _ next: String, at place: String, _ submit: (Engine) async throws -> Void = { _ in }
    )
        async throws
    {
        let gate = Gate(at: place)
        let engine = try scratch.engine(state, AnalyticModel(gate: gate)) { $0.activeRuns = 4 }
        try await submit(engine)
        try await gate.arrival()
        try FileManager.default.copyItem(atPath: scratch(state), toPath: scratch(next))
        gate.open()
        await engine.drain(within: 30)
    }

    private static let deadly = GenerationRequest.image("deadly", generator: "teacher")

    @Test func theThirdEndWithoutProgressFailsTheJob() async throws {
        nonisolated(unsafe) var ids: [String] = []
        try await die("0", "1", at: "decode") { engine in
            ids.append(try await engine.submit(Self.deadly).id)
            while try await engine.job(ids[0]).state == .queued { try await Task.sleep(for: .milliseconds(1)) }
            // Another size, so that it shares no evaluation; it has begun, but was not computed when the process ended.
            ids.append(try await engine.submit(.video()).id)
        }
        try await die("1", "2", at: "decode")
        // What was saved since counts as progress; without it there is none.
        try FileManager.default.removeItem(atPath: scratch("2/checkpoints"))
        for round in 2...4 {
            try await die("\(round)", "\(round + 1)", at: "evaluation 1")
        }
        let engine = try scratch.engine("5", AnalyticModel())
        let ended = try await engine.end(of: ids[0])
        #expect(ended.state == .failed)
        #expect(ended.failure?.code == "process_ended")
        #expect(try await engine.end(of: ids[1]).state == .succeeded)
    }

    /// Steps that are kept are progress, however often the process ends.
    @Test func aJobThatGetsFurtherIsNeverGivenUp() async throws {
        nonisolated(unsafe) var id = ""
        try await die("0", "1", at: "evaluation 2") { id = try await $0.submit(Self.deadly).id }
        for round in 1...5 { try await die("\(round)", "\(round + 1)", at: "evaluation 2") }
        let engine = try scratch.engine("6", AnalyticModel())
        #expect(try await engine.end(of: id).state == .succeeded)
        let alone = try scratch.engine("alone", AnalyticModel())
        #expect(try await engine.files(of: engine.job(id)) == alone.files(of: alone.run(Self.deadly)))
    }

    /// A job that was computed at an end runs alone after it, so no other is blamed for the next.
    @Test func aSuspectRunsAlone() async throws {
        nonisolated(unsafe) var ids: [String] = []
        try await die("0", "1", at: "evaluation 1") { engine in
            ids.append(try await engine.submit(.image("one")).id)
            while try await engine.job(ids[0]).state == .queued { try await Task.sleep(for: .milliseconds(1)) }
        }
        let gate = Gate(at: "evaluation 1")
        let engine = try scratch.engine("1", AnalyticModel(gate: gate))
        let other = try await engine.submit(.image("two"))
        try await gate.arrival()
        #expect(try await engine.job(ids[0]).state == .running)
        #expect(try await engine.job(other.id).state == .queued)
        gate.open()
        #expect(try await engine.end(of: ids[0]).state == .succeeded)
        #expect(try await engine.end(of: other.id).state == .succeeded)
    }

    @Test(arguments: [2, 3, 4])
    func anOrderlyEndIsNotCounted(rounds: Int) async throws {
        var id = ""
        for _ in 0..<rounds {
            let gate = Gate(at: "evaluation 1")
            let engine = try scratch.engine(AnalyticModel(gate: gate))
            if id.isEmpty { id = try await engine.submit(Self.deadly).id }
            try await gate.arrival()
            async let drained: Void = engine.drain(within: 0)
            while engine.readiness == .ready { try await Task.sleep(for: .milliseconds(1)) }
            // The process may even be killed now.
            try? FileManager.default.removeItem(atPath: scratch("left"))
            try FileManager.default.copyItem(atPath: scratch("state"), toPath: scratch("left"))
            try await Task.sleep(for: .milliseconds(30))
            gate.open()
            await drained
            try FileManager.default.removeItem(atPath: scratch("state"))
            try FileManager.default.moveItem(atPath: scratch("left"), toPath: scratch("state"))
        }
        #expect(try await scratch.engine(AnalyticModel()).end(of: id).state == .succeeded)
    }

    // MARK: Cancelling

    @Test(arguments: ["text", "evaluation 2", "decode"])
    func aCancelThatWasAnsweredOutlivesTheProcess(place: String) async throws {
        let gate = Gate(at: place)
        let engine = try scratch.engine("killed", AnalyticModel(gate: gate))
        let id = try await engine.submit(.image(count: 2)).id
        try await gate.arrival()
        try await engine.cancel(id)
        try FileManager.default.copyItem(atPath: scratch("killed"), toPath: scratch("left"))
        gate.open()
        #expect(try await engine.end(of: id).state == .cancelled)
        let next = try scratch.engine("left", AnalyticModel())
        #expect(try await next.job(id).state == .cancelled)
        #expect(try await next.run(.image()).state == .succeeded)
        #expect(try scratch.artifacts(of: "left").count == 1)
    }

    @Test func deletingWhatIsCancelledWaitsForItsEnd() async throws {
        let gate = Gate(at: "evaluation 2")
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        let id = try await engine.submit(.image()).id
        try await gate.arrival()
        try await engine.cancel(id)
        let deleted = Task { try await engine.delete(id) }
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await engine.job(id).state == .running)
        gate.open()
        try await deleted.value
        await #expect(throws: ServingError.unknownJob(id)) { try await engine.job(id) }
        #expect(try scratch.artifacts(of: "state").isEmpty)
    }
}
