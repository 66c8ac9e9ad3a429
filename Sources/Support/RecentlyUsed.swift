/// Values by key; when there are too many, the one that was used longest ago goes.
package struct RecentlyUsed<Key: Equatable & Sendable, Value: Sendable>: Sendable {
    private let capacity: Int
    /// The last used is the last.
    private var entries: [(key: Key, value: Value)] = []

    package init(capacity: Int) {
        self.capacity = capacity
    }

    package mutating func value(of key: Key) -> Value? {
        guard let index = entries.firstIndex(where: { $0.key == key }) else { return nil }
        entries.append(entries.remove(at: index))
        return entries.last?.value
    }

    package mutating func keep(_ value: Value, as key: Key) {
        entries.removeAll { $0.key == key }
        entries.append((key, value))
        if entries.count > capacity { entries.removeFirst() }
    }
}
