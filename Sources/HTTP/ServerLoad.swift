import Synchronization

/// What all conversations of a server share: whether it drains, and how much memory request bodies hold.
final class ServerLoad: Sendable {
    private let draining = Atomic<Bool>(false)
    private let bodyBytes = Atomic<Int>(0)

    var isDraining: Bool { draining.load(ordering: .acquiring) }

    func drain() {
        draining.store(true, ordering: .releasing)
    }

    /// False, and nothing reserved, when that many bytes more would exceed the limit.
    func reserve(_ count: Int, limit: Int) -> Bool {
        let held = bodyBytes.add(count, ordering: .relaxed).newValue
        if held > limit { bodyBytes.subtract(count, ordering: .relaxed) }
        return held <= limit
    }

    func release(_ count: Int) {
        bodyBytes.subtract(count, ordering: .relaxed)
    }
}
