import Foundation
import Jobs
import Logging
import Models
import Pipelines
import Serving
import Synchronization

/// One policy's run, times in seconds after its start.
package struct ScheduleRecord: Sendable {
    package struct Run: Sendable {
        package let id: String
        package let kind: GenerationRequest.Kind
        package let priority: Priority
        package let arrival: Double
        package let end: Double
    }

    package struct Turn: Sendable {
        package let runs: [String]
        package let pass: Pass
        package let start: Double
        package let seconds: Double
    }

    /// Shares of the weights that were in memory at a moment, by part.
    package struct Look: Sendable {
        package let at: Double
        package let here: [String: Double]
    }

    package var runs: [Run] = []
    package var turns: [Turn] = []
    package var looks: [Look] = []
    package var stallSeconds = 0.0
    package var peakResidentBytes: Int?
}

/// Plays an arrival trace against an engine, and notes what happened when.
package struct ScheduleReplay: Sendable {
    package typealias Record = ScheduleRecord

    let model: Pipeline
    let trace: ArrivalTrace
    let width: Int
    let height: Int
    let frames: Int

    package init(model: Pipeline, trace: ArrivalTrace, width: Int, height: Int, frames: Int) {
        self.model = model
        self.trace = trace
        self.width = width
        self.height = height
        self.frames = frames
    }

    private func request(_ arrival: ArrivalTrace.Arrival) -> GenerationRequest {
        let isClip = arrival.kind == .video
        return GenerationRequest(
            kind: arrival.kind, prompt: arrival.prompt, model: model.id, width: width, height: height,
            frames: isClip ? frames : 1, fps: model.sizes.defaultFPS, seed: arrival.seed)
    }

    /// - Throws: what the engine throws, and an error that says so if a job does not succeed.
    package func run(_ policy: EngineOptions.PolicyName) async throws -> Record {
        let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-schedule-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let turns = Mutex<[EngineOptions.Turn]>([])
        var options = EngineOptions(stateFolder: folder)
        options.policy = policy
        options.queueCapacity = max(trace.arrivals.count, 1)
        options.onTurn = { turn in turns.withLock { $0.append(turn) } }
        var logger = Logger(label: "phasor.bench")
        logger.logLevel = .error
        let meter = ResourceMeter()
        meter.start()
        let stallBefore = model.residency.report?.tally.stallSeconds ?? 0
        let engine = try Engine(models: [model], options: options, logger: logger)
        let start = ContinuousClock.now
        let looking = Task { await look(since: start) }
        var record = Record()
        record.runs = try await withThrowingTaskGroup(of: Record.Run.self) { group in
            for arrival in trace.arrivals {
                group.addTask {
                    try await Task.sleep(until: start + .seconds(arrival.at))
                    let came = start.duration(to: .now) / .seconds(1)
                    let job = try await engine.submit(request(arrival), priority: arrival.priority)
                    for await event in try await engine.events(of: job.id) where event.name.isTerminal {
                        guard event.name == .done else { throw ReplayFailure(job: event.job) }
                    }
                    return Record.Run(
                        id: job.id, kind: arrival.kind, priority: arrival.priority, arrival: came,
                        end: start.duration(to: .now) / .seconds(1))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        record.runs.sort { $0.arrival < $1.arrival }
        looking.cancel()
        record.looks = await looking.value
        await engine.drain(within: 10)
        record.turns = turns.withLock { $0 }.map { turn in
            Record.Turn(
                runs: turn.runs, pass: Pass(turn.weights.stage, turn.weights.part),
                start: start.duration(to: turn.start) / .seconds(1),
                seconds: turn.seconds)
        }
        record.stallSeconds = (model.residency.report?.tally.stallSeconds ?? 0) - stallBefore
        record.peakResidentBytes = meter.stop().peakResidentBytes
        return record
    }

    /// Looks at what is in memory again and again until it is cancelled.
    private func look(since start: ContinuousClock.Instant) async -> [Record.Look] {
        var looks: [Record.Look] = []
        while !Task.isCancelled {
            guard let report = model.residency.report else { break }
            var here: [String: Double] = [:]
            for part in report.residents where part.bytes > 0 {
                here[part.part] = Double(part.bytesHere) / Double(part.bytes)
            }
            looks.append(Record.Look(at: start.duration(to: .now) / .seconds(1), here: here))
            try? await Task.sleep(for: .milliseconds(5))
        }
        return looks
    }

}

/// A job of a replay did not succeed.
struct ReplayFailure: Error, CustomStringConvertible {
    let job: Job
    var description: String { "job \(job.id) is \(job.state.rawValue): \(job.failure?.message ?? "")" }
}
