import Synchronization

/// Finds out what memory a computation takes, without computing: its own code runs, kernels do nothing, weights are not
/// read, and tensors get addresses whose pages are never touched. So a plan cannot differ from what it plans.
///
/// Code that writes into tensors by hand does it in `Tensor.init(shape:write:)`, which a plan leaves out. Values that are
/// read are of no meaning: a computation whose shapes depend on them cannot be planned.
package final class MemoryPlan: Sendable {
    private let kept = Mutex<[ObjectIdentifier: any Sendable]>([:])

    private init() {}

    package static var isUnderway: Bool { MemoryScope.current.plan != nil }

    /// What `body` takes beyond what is held already.
    package static func of<E: Error>(_ body: () throws(E) -> Void) throws(E) -> MemoryUse {
        let plan = MemoryPlan()
        // Addresses only: as much as is never used.
        let arena = Arena(reserving: 1 << 42)
        try MemoryScope.with(MemoryScope(arena: arena, plan: plan), body)
        let use = arena.use
        plan.kept.withLock { $0 = [:] }
        return use
    }

    /// Runs `body` on what `owner` would keep, which is `initially` at first. A plan must not leave it there.
    func keeping<Kept: Sendable, Result>(
        for owner: AnyObject, initially: Kept, _ body: (inout Kept) -> Result
    ) -> Result {
        var own = kept.withLock { $0[ObjectIdentifier(owner)] as? Kept } ?? initially
        defer { kept.withLock { $0[ObjectIdentifier(owner)] = own } }
        return body(&own)
    }
}
