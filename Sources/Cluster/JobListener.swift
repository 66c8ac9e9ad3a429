import Dispatch
import PostgreSQL
import Synchronization

/// Wakes those who wait for news of the ledger. News may be lost: whoever waits looks now and then as well.
final class JobListener: Sendable {
    private struct Waiter {
        let job: String
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var waiters: [Int: Waiter] = [:]
        /// Waits that were cancelled before they began.
        var cancelled: Set<Int> = []
        var next = 0
        var onNews: [@Sendable (LedgerNews) -> Void] = []
    }

    private let state = Mutex(State())
    private let connection = Mutex<PostgresListener?>(nil)

    init(_ ledger: PostgresLedger) {
        let listener = ledger.listen { [weak self] news in self?.take(news) }
        connection.withLock { $0 = listener }
    }

    /// Calls `body` with any news; it must return soon.
    func onNews(_ body: @escaping @Sendable (LedgerNews) -> Void) { state.withLock { $0.onNews.append(body) } }

    /// Returns when there is news of a job, or after some seconds.
    func news(of job: String, within seconds: Double) async {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(number) != nil { return true }
                    state.waiters[number] = Waiter(job: job, continuation: continuation)
                    return false
                }
                if isCancelled { return continuation.resume() }
                // Only now: an alarm that goes before there is anybody to wake is lost.
                DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { [weak self] in
                    self?.wake { $0 == number }
                }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                let waiter = state.waiters.removeValue(forKey: number)
                if waiter == nil { state.cancelled.insert(number) }
                return waiter
            }
            waiter?.continuation.resume()
        }
        _ = state.withLock { $0.cancelled.remove(number) }
    }

    private func take(_ news: LedgerNews) {
        switch news {
        case .jobs(let ids):
            let told = Set(ids)
            let woken = state.withLock { state in
                let hit = state.waiters.filter { told.contains($0.value.job) }
                for number in hit.keys { state.waiters[number] = nil }
                return hit.values.map(\.continuation)
            }
            for continuation in woken { continuation.resume() }
        case .connected: wake { _ in true }
        case .line: break
        }
        for body in state.withLock({ $0.onNews }) { body(news) }
    }

    private func wake(_ isWoken: (Int) -> Bool) {
        let woken = state.withLock { state in
            let numbers = state.waiters.keys.filter(isWoken)
            return numbers.compactMap { state.waiters.removeValue(forKey: $0)?.continuation }
        }
        for continuation in woken { continuation.resume() }
    }
}
