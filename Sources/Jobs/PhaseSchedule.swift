import Pipelines

/// The phase-synchronous policy: whoever waits for the expert in memory is served, in shared evaluations where latents
/// have one shape, and who has least to do goes first; then the expert is changed once for all who wait for the next.
///
/// The time between two changes is a *visit*. Its members are the runs that wait at its beginning for weights that are
/// then in memory; who comes later joins while nobody waits too long elsewhere. A run waits too long, is *overdue*, once
/// `patience` evaluations or `ageLimit` seconds have passed it by. Then only members are served on, and the next visit is
/// to the one that has been overdue longest.
///
/// Interactive runs go before batch runs at every step, and change the expert if need be; a batch run that is overdue
/// competes as if it were interactive.
///
/// So nobody starves. With A runs begun at most, which need at most S evaluations each on their whole way, and K sets of
/// weights, a run is served after at most `patience` + (K + 1) A S evaluations: those that make it overdue; then what the
/// members of the present visit need, and of one visit for each set of weights that somebody waits for longer.
package struct PhaseSchedule: StepPolicy {
    /// Runs share an evaluation up to this many pixels of all their frames.
    let batchPixels: Int
    let patience: Int
    let ageLimit: Double

    /// What has its place in memory: the expert that computed last, unless something had to be read since.
    private var hot: StageWeights?
    private var members: Set<String> = []
    private var waits: [String: Wait] = [:]

    /// How long a run has not been served.
    private struct Wait {
        var passed = 0
        let since: Double
    }

    package init(batchPixels: Int, patience: Int = 64, ageLimit: Double = 600) {
        self.batchPixels = batchPixels
        self.patience = patience
        self.ageLimit = ageLimit
    }

    package mutating func decide(
        _ waiting: [WaitingRun], at seconds: Double, isResident: (StageWeights) -> Bool
    ) -> Decision? {
        waits = Dictionary(
            uniqueKeysWithValues: waiting.map { ($0.id, waits[$0.id] ?? Wait(since: seconds)) })
        let overdue = Set(
            waits.filter { $0.value.passed >= patience || seconds - $0.value.since >= ageLimit }.keys)
        let hasInteractive = waiting.contains { $0.priority == .interactive }
        let pool = waiting.filter { !hasInteractive || $0.priority == .interactive || overdue.contains($0.id) }

        func isNear(_ weights: StageWeights) -> Bool { weights == hot || isResident(weights) }
        let isClosed = pool.contains { overdue.contains($0.id) && !isNear($0.weights) }
        let served = pool.filter { isNear($0.weights) && (!isClosed || members.contains($0.id)) }
        let isVisited = !served.isEmpty
        guard let first = served.min(by: { precedes($0, $1, overdue) }) ?? nextVisit(pool, overdue) else { return nil }
        if !isVisited {
            members = Set(waiting.filter { $0.weights == first.weights || isResident($0.weights) }.map(\.id))
        }
        // A text encoder or VAE that is in memory beside the expert does not take its place.
        if first.weights.isExpert || !isResident(first.weights) { hot = first.weights }

        let runs = batch(first, pool)
        for id in waits.keys { waits[id]?.passed += 1 }
        for id in runs { waits[id] = Wait(since: seconds) }
        return Decision(runs: runs, weights: first.weights, passes: passes(first, pool))
    }

    /// Whose weights to change to. A change of the LoRA alone is cheap, so it comes before a change of heavy weights.
    private func nextVisit(_ pool: [WaitingRun], _ overdue: Set<String>) -> WaitingRun? {
        let late = pool.filter { overdue.contains($0.id) }
        if !late.isEmpty { return late.min(by: hasWaitedLonger) }
        let light = pool.filter { $0.weights.shareHeavyWeights(with: hot) }
        return (light.isEmpty ? pool : light).min { $0.arrival < $1.arrival }
    }

    /// `first` and those that can share its evaluation.
    private func batch(_ first: WaitingRun, _ pool: [WaitingRun]) -> [String] {
        var runs = [first.id]
        guard first.shape != nil else { return runs }
        var pixels = first.pixels
        let mates = pool.filter { $0.id != first.id && $0.weights == first.weights && $0.shape == first.shape }
        for mate in mates.sorted(by: { ($0.work, $0.arrival) < ($1.work, $1.arrival) })
        where pixels + mate.pixels <= batchPixels {
            pixels += mate.pixels
            runs.append(mate.id)
        }
        return runs
    }

    /// Runs that wait for the weights of `first` go on to the end of their phase, those of one shape together. What the
    /// oldest run needs follows.
    private func passes(_ first: WaitingRun, _ pool: [WaitingRun]) -> [StageWeights] {
        let sharing = pool.filter { $0.weights == first.weights }
        let shared = Dictionary(grouping: sharing.filter { $0.shape != nil }, by: \.shape)
        let count =
            shared.values.reduce(0) { $0 + ($1.map(\.length).max() ?? 0) }
            + sharing.reduce(0) { $0 + ($1.shape == nil ? $1.length : 0) }
        let oldest = pool.min { $0.arrival < $1.arrival } ?? first
        return [StageWeights](repeating: first.weights, count: count) + oldest.course.drop { $0 == first.weights }
    }

    /// Within a visit: who is overdue first. Then prompts: they are short, and then may share the evaluations of the
    /// others. Then whoever has least work left: a picture does not wait for a clip.
    private func precedes(_ one: WaitingRun, _ other: WaitingRun, _ overdue: Set<String>) -> Bool {
        let isLate = (overdue.contains(one.id), overdue.contains(other.id))
        guard isLate.0 == isLate.1 else { return isLate.0 }
        if isLate.0 { return hasWaitedLonger(one, other) }
        let isText = (one.weights.stage == .text, other.weights.stage == .text)
        guard isText.0 == isText.1 else { return isText.0 }
        return (one.work, one.arrival) < (other.work, other.arrival)
    }

    private func hasWaitedLonger(_ one: WaitingRun, _ other: WaitingRun) -> Bool {
        (waits[one.id]?.since ?? 0, one.arrival) < (waits[other.id]?.since ?? 0, other.arrival)
    }
}
