/// Memory for weights as a test has it: those used last, as many as fit.
package struct Residents<Key: Equatable & Sendable>: Sendable {
    /// Bytes; nil for more than there are weights.
    package let capacity: Int?
    /// Used last comes last.
    private var entries: [(weights: Key, bytes: Int)] = []

    package init(capacity: Int?) {
        self.capacity = capacity
    }

    package func contains(_ weights: Key) -> Bool {
        capacity == nil || entries.contains { $0.weights == weights }
    }

    /// Weights are used: what was used longest ago makes room for them.
    package mutating func use(_ weights: Key, bytes: Int) {
        guard let capacity else { return }
        entries.removeAll { $0.weights == weights }
        entries.append((weights, bytes))
        var total = entries.reduce(0) { $0 + $1.bytes }
        while total > capacity, entries.count > 1 { total -= entries.removeFirst().bytes }
    }
}
