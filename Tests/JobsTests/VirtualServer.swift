import Jobs
import Models
import Pipelines
import TestSupport

/// A server without a machine: runs are courses of stages, an evaluation takes virtual seconds, and so does reading weights.
struct VirtualServer {
    struct Leg {
        let weights: StageWeights
        let evaluations: Int
    }

    struct Task {
        let arrival: Double
        var priority = Priority.interactive
        /// 1 for a picture, more for a clip.
        var size = 1
        let course: [Leg]
    }

    struct Outcome {
        /// Seconds at which each task was done.
        var ends: [Double] = []
        /// Times that weights were read which were not in memory, all and of experts only.
        var reads = 0
        var expertReads = 0
        var evaluations = 0
        var seconds: Double { ends.max() ?? 0 }
        /// The most evaluations that a task was passed by while it waited.
        var longestWait = 0
        var longestWaitSeconds = 0.0
    }

    /// Sets of weights that memory holds; nil for all.
    var capacity: Int? = 1
    var readSeconds = 4.0
    /// Of an evaluation that computes `size` 1; larger ones in proportion.
    var evaluationSeconds = 1.0
    /// Runs begun at most, of each priority.
    var active = 16

    func run(_ tasks: [Task], _ start: some StepPolicy) -> Outcome {
        var policy = start
        var outcome = Outcome(ends: [Double](repeating: .infinity, count: tasks.count))
        var residents = Residents<StageWeights>(capacity: capacity)
        var now = 0.0
        var pending = tasks.indices.sorted { (tasks[$0].arrival, $0) < (tasks[$1].arrival, $1) }
        let order = Dictionary(uniqueKeysWithValues: pending.enumerated().map { ($1, Int64($0)) })
        var state: [Int: (leg: Int, done: Int, passed: Int, since: Double)] = [:]
        while !pending.isEmpty || !state.isEmpty {
            for priority in Priority.allCases {
                while state.keys.filter({ tasks[$0].priority == priority }).count < active,
                    let next = pending.first(where: { tasks[$0].priority == priority && tasks[$0].arrival <= now })
                {
                    pending.removeAll { $0 == next }
                    state[next] = (0, 0, 0, now)
                }
            }
            let waiting = state.compactMap { index, place in
                let course = tasks[index].course[place.leg...].flatMap {
                    [StageWeights](repeating: $0.weights, count: $0.evaluations)
                }
                return WaitingRun(
                    id: "\(index)", course: course[place.done...],
                    shape: course[0].isExpert ? [[tasks[index].size]] : nil, pixels: tasks[index].size,
                    priority: tasks[index].priority, arrival: order[index] ?? 0)
            }
            guard let decision = policy.decide(waiting, at: now, isResident: residents.contains) else {
                now = pending.map { tasks[$0].arrival }.min() ?? now
                continue
            }
            if !residents.contains(decision.weights) {
                now += readSeconds
                outcome.reads += 1
                if decision.weights.isExpert { outcome.expertReads += 1 }
            }
            residents.use(decision.weights, bytes: 1)
            let served = decision.runs.compactMap { Int($0) }
            now += evaluationSeconds * Double(served.reduce(0) { $0 + tasks[$1].size })
            outcome.evaluations += 1
            for index in state.keys where !served.contains(index) {
                state[index]?.passed += 1
                outcome.longestWait = max(outcome.longestWait, state[index]?.passed ?? 0)
            }
            for index in served {
                guard var place = state[index] else { continue }
                outcome.longestWaitSeconds = max(outcome.longestWaitSeconds, now - place.since)
                place.done += 1
                if place.done == tasks[index].course[place.leg].evaluations {
                    (place.leg, place.done) = (place.leg + 1, 0)
                }
                (place.passed, place.since) = (0, now)
                state[index] = place.leg < tasks[index].course.count ? place : nil
                if state[index] == nil { outcome.ends[index] = now }
            }
        }
        return outcome
    }

    static let text = StageWeights(model: "m", stage: .text, part: .textEncoder)
    static let high = StageWeights(model: "m", stage: .steps, part: .expert("transformer"))
    static let low = StageWeights(model: "m", stage: .steps, part: .expert("transformer_2"))
    static let teacher = StageWeights(model: "m", stage: .steps, part: .expert("teacher"))
    static let vae = StageWeights(model: "m", stage: .decode, part: .vae)

    static let student = [
        Leg(weights: text, evaluations: 1), Leg(weights: high, evaluations: 2), Leg(weights: low, evaluations: 2),
        Leg(weights: vae, evaluations: 1),
    ]
    static let slow = [
        Leg(weights: text, evaluations: 1), Leg(weights: teacher, evaluations: 20), Leg(weights: vae, evaluations: 1),
    ]
}

extension Part {
    static let textEncoder: Part = "text_encoder"
    static let vae: Part = "vae"
    static func expert(_ name: String) -> Part { Part(name) }
}
