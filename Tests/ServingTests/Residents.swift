import Serving

/// Memory for weights as a test has it: those used last, as many as fit.
struct Residents: Sendable {
    /// Bytes; nil for more than there are weights.
    let capacity: Int?
    /// Used last comes last.
    private var entries: [(weights: StageWeights, bytes: Int)] = []

    init(capacity: Int?) {
        self.capacity = capacity
    }

    func contains(_ weights: StageWeights) -> Bool {
        capacity == nil || entries.contains { $0.weights == weights }
    }

    /// Weights are used: what was used longest ago makes room for them.
    mutating func use(_ weights: StageWeights, bytes: Int) {
        guard let capacity else { return }
        entries.removeAll { $0.weights == weights }
        entries.append((weights, bytes))
        var total = entries.reduce(0) { $0 + $1.bytes }
        while total > capacity, entries.count > 1 { total -= entries.removeFirst().bytes }
    }
}
