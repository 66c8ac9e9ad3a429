import Foundation
import GRDB
import Jobs
import Serving
import Testing

/// Jobs that run again, and who waits for which part.
@Suite(.timeLimit(.minutes(5)))
struct RetryTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test func aCancelledJobRunsAgainToTheSameBytes() async throws {
        let gate = Gate(at: "evaluation 3")
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        let first = try await engine.submit(.image(count: 2))
        try await gate.arrival()
        try await engine.cancel(first.id)
        // It is being stopped still.
        await #expect(throws: ServingError.notRetriable(first.id, state: .running)) { try await engine.retry(first.id) }
        gate.open()
        #expect(try await engine.end(of: first.id).state == .cancelled)
        let events = try await engine.events(of: first.id)
        for await event in events { #expect(event.name == .cancelled) }
        let again = try await engine.retry(first.id)
        #expect(again.state == .queued && again.id == first.id && again.request == first.request)
        #expect(again.finishedAt == nil && again.timings.steps.isEmpty)
        let done = try await engine.end(of: first.id)
        #expect(done.state == .succeeded && done.timings.steps.count == 4)
        let alone = try scratch.engine("alone", AnalyticModel())
        #expect(try await engine.files(of: done) == alone.files(of: alone.run(.image(count: 2))))
        await #expect(throws: ServingError.notRetriable(first.id, state: .succeeded)) {
            try await engine.retry(first.id)
        }
        await #expect(throws: ServingError.unknownJob("image_0")) { try await engine.retry("image_0") }
    }

    @Test func aFailedJobFailsAgainAndCanBeRetriedAfterARestart() async throws {
        let engine = try scratch.engine(AnalyticModel())
        let failed = try await engine.run(.image(AnalyticModel.poison))
        #expect(failed.state == .failed)
        _ = try await engine.retry(failed.id)
        let again = try await engine.end(of: failed.id)
        #expect(again.state == .failed && again.failure == failed.failure)
        await engine.drain(within: 10)
        // By the shell, where no server runs: it waits for the next one.
        let store = try JobArchive.store(of: scratch("state"), logger: .init(label: "test"))
        #expect(try await store.retry(failed.id).job.state == .queued)
        store.release()
        let next = try scratch.engine(AnalyticModel())
        #expect(try await next.end(of: failed.id).failure == failed.failure)
    }

    /// Between two turns it is cancelled and retried at once: the run that had begun and the new one are the same job.
    @Test func manyCancelsAndRetriesLeaveOneRun() async throws {
        let model = try AnalyticModel(blockSeconds: 0.0005)
        let engine = try scratch.engine(model)
        let others = try await (1...3).asyncMap { try await engine.submit(.video(seed: UInt64($0))) }
        let job = try await engine.submit(.video("another", seed: 9))
        for _ in 0..<60 {
            try await engine.cancel(job.id)
            do {
                _ = try await engine.retry(job.id)
            } catch ServingError.notRetriable {
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        var done = try await engine.job(job.id)
        if !done.state.isTerminal { done = try await engine.end(of: job.id) }
        if done.state == .cancelled {
            _ = try await engine.retry(job.id)
            done = try await engine.end(of: job.id)
        }
        #expect(done.state == .succeeded)
        for other in others { #expect(try await engine.end(of: other.id).state == .succeeded) }
        let alone = try scratch.engine("alone", AnalyticModel())
        #expect(try await engine.files(of: done) == alone.files(of: alone.run(.video("another", seed: 9))))
        #expect(try scratch.artifacts(of: "state").count == 4)
    }

    // MARK: Waiting for parts

    @Test func metricsTellWhoWaitsForWhichPart() async throws {
        let gate = Gate(at: "evaluation 1")
        let engine = try scratch.engine(AnalyticModel(gate: gate)) { $0.activeRuns = 2 }
        func line(_ part: String) -> String { "phasor_waiting_jobs{model=\"analytic\",part=\"\(part)\"} " }
        for part in ["text_encoder", "transformer", "transformer_2", "teacher", "vae"] {
            #expect(await engine.renderMetrics().contains(line(part) + "0\n"), "\(part)")
            let waited = "phasor_oldest_wait_seconds{model=\"analytic\",part=\"\(part)\"} 0\n"
            #expect(await engine.renderMetrics().contains(waited))
        }
        _ = try await engine.submit(.image("a", seed: 1))
        try await gate.arrival()
        // One is computed; of three more, one begins when the turn is over, so all of them wait for the encoder.
        for seed in 2...4 { _ = try await engine.submit(.image("b", seed: UInt64(seed))) }
        let text = await engine.renderMetrics()
        #expect(text.contains(line("text_encoder") + "3\n") && text.contains(line("transformer") + "0\n"))
        gate.open()
        while await engine.renderMetrics().contains("phasor_jobs{state=\"running\"} 0\n") == false {
            try await Task.sleep(for: .milliseconds(2))
        }
        #expect(await engine.renderMetrics().contains(line("text_encoder") + "0\n"))
    }
}

extension Sequence {
    fileprivate func asyncMap<T>(_ body: (Element) async throws -> T) async rethrows -> [T] {
        var results: [T] = []
        for element in self { results.append(try await body(element)) }
        return results
    }
}
