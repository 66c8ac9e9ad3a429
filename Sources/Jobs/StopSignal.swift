import Synchronization

/// Tells a computation that it is no longer wanted. Checked before each transformer block.
package final class StopSignal: Sendable {
    private let reason = Atomic<UInt8>(0)

    func cancel() { raise(1) }

    /// The engine stops: the job is to run again at the next start.
    func shutDown() { raise(2) }

    /// The first reason stays.
    private func raise(_ value: UInt8) {
        _ = reason.compareExchange(expected: 0, desired: value, ordering: .relaxed)
    }

    package func check() throws(Interruption) {
        switch reason.load(ordering: .relaxed) {
        case 0: return
        case 1: throw .cancelled
        default: throw .shutDown
        }
    }
}

/// Why a computation was left unfinished.
package enum Interruption: Error {
    case cancelled, shutDown
}
