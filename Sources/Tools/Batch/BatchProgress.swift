import Foundation
import Jobs
import Synchronization

/// How far a batch is, and how fast it goes.
package final class BatchProgress: Sendable {
    package struct Snapshot: Sendable {
        package var done = 0
        package var failed = 0
        package var total = 0
        /// Files that were there before.
        package var kept = 0
        package var seconds = 0.0
        /// The stages in the order in which they were first met.
        package var stages: [Stage] = []
        /// The seconds that the remaining work takes at the rate until now; nil before anything is done.
        package var secondsLeft: Double?

        package var isFinished: Bool { done + failed + kept == total }
    }

    /// A phase's steps, or what follows them.
    package struct Stage: Codable, Sendable, Equatable {
        package let name: String
        /// Steps of one file, or files.
        package var count: Int
        /// Time in which the compute thread did these.
        package var seconds: Double

        package var perSecond: Double { seconds > 0 ? Double(count) / seconds : 0 }
    }

    private struct State {
        var snapshot = Snapshot()
        var doneWork = 0.0
        var leftWork = 0.0
        var lastEvent: ContinuousClock.Instant
        var stages: [String: Int] = [:]
    }

    private let state: Mutex<State>
    private let start: ContinuousClock.Instant

    init(total: Int, kept: Int, work: Double) {
        start = .now
        let now = start
        state = Mutex(State(lastEvent: now))
        state.withLock { state in
            state.snapshot.total = total
            state.snapshot.kept = kept
            state.leftWork = work
        }
    }

    /// Pixels of all frames times steps, decoding as one more: jobs of one model resemble each other.
    static func work(of request: GenerationRequest, steps: Int) -> Double {
        Double(request.width * request.height) * Double(request.frames) * Double(steps + 1)
    }

    /// The engine computes one thing at a time, so what passed since the last event was spent on this one; events of
    /// files that shared an evaluation come at once.
    func add(_ event: JobEvent) {
        let name: String? =
            switch event.name {
            case .step: event.job.timings.steps.last?.phase
            case .done: "decode and encode"
            default: nil
            }
        state.withLock { state in
            let now = ContinuousClock.now
            guard let name else { return }
            let seconds = state.lastEvent.duration(to: now) / .seconds(1)
            state.lastEvent = now
            let index =
                state.stages[name]
                ?? {
                    state.snapshot.stages.append(Stage(name: name, count: 0, seconds: 0))
                    state.stages[name] = state.snapshot.stages.count - 1
                    return state.snapshot.stages.count - 1
                }()
            state.snapshot.stages[index].count += 1
            state.snapshot.stages[index].seconds += seconds
            // A step, or the decoding, is one part of steps + 1.
            let part = Self.work(of: event.job.request, steps: 0)
            state.doneWork += part
            state.leftWork = max(state.leftWork - part, 0)
        }
    }

    func finish(succeeded: Bool) {
        state.withLock { state in
            if succeeded { state.snapshot.done += 1 } else { state.snapshot.failed += 1 }
        }
    }

    package var snapshot: Snapshot {
        state.withLock { state in
            var snapshot = state.snapshot
            snapshot.seconds = start.duration(to: .now) / .seconds(1)
            if state.doneWork > 0 { snapshot.secondsLeft = state.leftWork * snapshot.seconds / state.doneWork }
            return snapshot
        }
    }
}
