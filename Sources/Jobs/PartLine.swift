import Pipelines
import Models

/// Whom a part of a model keeps waiting: how many unfinished jobs need it next and are not computed at this moment, and
/// since when the one has waited that waits longest.
package struct PartLine: Sendable, Equatable {
    /// A part of a model.
    package struct Place: Hashable, Sendable {
        package let model: String
        package let part: Part

        package init(model: String, part: Part) {
            (self.model, self.part) = (model, part)
        }
    }

    package private(set) var jobs = 0
    /// Unix seconds; nil while nobody waits.
    package private(set) var since: Double?

    package init() {}

    /// - Parameter since: Unix seconds.
    package init(jobs: Int, since: Double?) { (self.jobs, self.since) = (jobs, since) }

    package mutating func add(since time: Double) {
        jobs += 1
        since = min(since ?? time, time)
    }
}

/// Since when each of the jobs that have begun has waited for the part that it needs next.
package struct PartWaits {
    private var waits: [String: (place: PartLine.Place, since: Double)] = [:]

    package init() {}

    /// A run that is computed now waits no longer; for another part its wait begins anew.
    /// - Parameter time: Unix seconds.
    package mutating func update(_ waiting: [WaitingRun], computed: Set<String>, at time: Double) {
        var next: [String: (place: PartLine.Place, since: Double)] = [:]
        for run in waiting where !computed.contains(run.id) {
            let place = PartLine.Place(model: run.weights.model, part: run.weights.part)
            let before = waits[run.id]
            next[run.id] = (place, before?.place == place ? before?.since ?? time : time)
        }
        waits = next
    }

    package var lines: [PartLine.Place: PartLine] {
        waits.values.reduce(into: [:]) { $0[$1.place, default: PartLine()].add(since: $1.since) }
    }
}
