import Foundation
import Jobs

/// Many workers and jobs in virtual time: workers that claim by part, as `phasor work` does, against workers that take
/// whole jobs. Nothing is computed; only the order of claims is the real one.
package struct ClusterSimulation: Sendable {
    /// A stage that every job passes, with the weights that it needs.
    package struct Stage: Sendable {
        package let name: String
        /// Seconds of computing for one job.
        package let seconds: Double
        /// Seconds to get the stage's weights into a memory that holds one stage's weights.
        package let loadSeconds: Double

        package init(_ name: String, seconds: Double, loadSeconds: Double) {
            (self.name, self.seconds, self.loadSeconds) = (name, seconds, loadSeconds)
        }
    }

    package enum Claiming: String, Sendable, CaseIterable {
        /// A worker claims jobs for one stage, and hands each on after it.
        case byPart = "by part"
        /// A worker takes one job from its first stage to its last.
        case wholeJobs = "whole jobs"
    }

    package struct Outcome: Sendable, Equatable {
        package var finished = 0
        package var claims = 0
        package var switches = 0
        /// Virtual seconds from the first arrival to the last end.
        package var seconds = 0.0
        /// From arrival to end, less the computing of the job itself: half and 99 % of the jobs waited no longer.
        package var medianWait = 0.0
        package var p99Wait = 0.0
        package var claimsPerSecond: Double { Double(claims) / seconds }
        package var switchesPerJob: Double { Double(switches) / Double(finished) }
    }

    package var stages: [Stage]
    package var workers: Int
    package var jobs: Int
    /// Jobs a second that arrive, by a Poisson process.
    package var rate: Double
    /// Jobs that a worker claims at once at most.
    package var held = 4
    /// Every so many-th job is a batch job.
    package var batchEvery = 4
    package var seed: UInt64 = 1

    package init(stages: [Stage], workers: Int, jobs: Int, rate: Double) {
        (self.stages, self.workers, self.jobs, self.rate) = (stages, workers, jobs, rate)
    }

    private enum Happening {
        case arrival
        /// A worker has done a stage of a job.
        case done(job: Int, stage: Int)
        case free(worker: Int)
    }

    private struct Line {
        /// Jobs by stage and priority, oldest first, as a list with a moving head.
        var waiting: [(job: Int, since: Double)] = []
        var head = 0
        var first: (job: Int, since: Double)? { head < waiting.count ? waiting[head] : nil }

        mutating func take() -> Int {
            defer { head += 1 }
            let job = waiting[head].job
            if head > 4096, head * 2 > waiting.count {
                waiting.removeFirst(head)
                head = 0
            }
            return job
        }
    }

    package func run(_ claiming: Claiming) -> Outcome {
        var random = Generator(state: seed)
        var events = EventHeap<Happening>()
        var lines = [[Line]](repeating: [Line(), Line()], count: stages.count)
        var arrivals = [Double](repeating: 0, count: jobs)
        var waits: [Double] = []
        waits.reserveCapacity(jobs)
        var held = [Int?](repeating: nil, count: workers)
        // Idle workers by what they hold; the last list is of those that hold nothing.
        var idle = [[Int]](repeating: [], count: stages.count) + [Array(0..<workers)]
        var idleCount = workers
        var outcome = Outcome()
        var arrived = 0
        let work = stages.reduce(0) { $0 + $1.seconds }

        func line(_ job: Int, _ stage: Int, at time: Double) {
            lines[stage][job % batchEvery == 0 ? 1 : 0].waiting.append((job, time))
        }
        func claim(_ worker: Int, at time: Double) -> Bool {
            let heads = lines.indices.flatMap { stage in
                (0..<2).compactMap { priority in
                    lines[stage][priority].first.map {
                        ClaimOrder.Head(part: stage, priority: priority, since: $0.since, sequence: $0.job)
                    }
                }
            }
            guard let head = ClaimOrder.first(of: heads, held: held[worker], now: time) else { return false }
            outcome.claims += 1
            var clock = time
            func compute(_ stage: Int, _ job: Int) {
                if held[worker] != stage {
                    clock += stages[stage].loadSeconds
                    outcome.switches += 1
                    held[worker] = stage
                }
                clock += stages[stage].seconds
                events.push(.done(job: job, stage: stage), at: clock)
            }
            switch claiming {
            case .byPart:
                // No more than a fair share: others are idle or will be.
                for _ in 0..<self.held where lines[head.part][head.priority].first != nil {
                    compute(head.part, lines[head.part][head.priority].take())
                    if idleCount > 0 { break }
                }
            case .wholeJobs:
                let job = lines[head.part][head.priority].take()
                for stage in stages.indices { compute(stage, job) }
            }
            events.push(.free(worker: worker), at: clock)
            return true
        }
        events.push(.arrival, at: 0)
        while let (time, event) = events.pop() {
            outcome.seconds = time
            switch event {
            case .arrival:
                arrivals[arrived] = time
                line(arrived, 0, at: time)
                arrived += 1
                if arrived < jobs { events.push(.arrival, at: time - log(1 - random.unit()) / rate) }
            case .done(let job, let stage):
                if stage == stages.count - 1 {
                    outcome.finished += 1
                    waits.append(max(0, time - arrivals[job] - work))
                } else if claiming == .byPart {
                    line(job, stage + 1, at: time)
                }
            case .free(let worker):
                idle[held[worker] ?? stages.count].append(worker)
                idleCount += 1
            }
            // All that are idle hear of it; those that hold what is asked for ask first.
            while idleCount > 0 {
                let asked = (0..<stages.count).filter { lines[$0].contains { $0.first != nil } }
                guard !asked.isEmpty else { break }
                let list =
                    claiming == .byPart
                    ? asked.first { !idle[$0].isEmpty } ?? idle.lastIndex { !$0.isEmpty }
                    : idle.lastIndex { !$0.isEmpty }
                guard let list, let worker = idle[list].popLast() else { break }
                idleCount -= 1
                guard !claim(worker, at: time) else { continue }
                idle[list].append(worker)
                idleCount += 1
                break
            }
        }
        waits.sort()
        if !waits.isEmpty {
            outcome.medianWait = waits[waits.count / 2]
            outcome.p99Wait = waits[min(waits.count - 1, waits.count * 99 / 100)]
        }
        return outcome
    }

    /// SplitMix64.
    private struct Generator {
        var state: UInt64

        mutating func unit() -> Double {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return Double((z ^ (z >> 31)) >> 11) / 9_007_199_254_740_992
        }
    }
}

/// Events by time; of one time, in the order in which they were pushed.
private struct EventHeap<Event> {
    private var items: [(time: Double, number: Int, event: Event)] = []
    private var count = 0

    mutating func push(_ event: Event, at time: Double) {
        count += 1
        items.append((time, count, event))
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(child, parent) else { return }
            items.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> (Double, Event)? {
        guard let first = items.first else { return nil }
        let last = items.removeLast()
        guard !items.isEmpty else { return (first.time, first.event) }
        items[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && precedes(child, least) {
                least = child
            }
            guard least != parent else { break }
            items.swapAt(parent, least)
            parent = least
        }
        return (first.time, first.event)
    }

    private func precedes(_ one: Int, _ other: Int) -> Bool {
        (items[one].time, items[one].number) < (items[other].time, items[other].number)
    }
}
