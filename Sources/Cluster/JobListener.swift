import Foundation
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
        var next = 0
        var onChange: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())
    private let connection = Mutex<PostgresListener?>(nil)

    init(_ ledger: PostgresLedger) {
        let listener = ledger.listen { [weak self] news in self?.take(news) }
        connection.withLock { $0 = listener }
    }

    /// Calls `body` after any news; it must return soon.
    func onChange(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onChange.append(body) } }

    /// Returns when there is news of a job, or after some seconds.
    func news(of job: String, within seconds: Double) async {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        let alarm = Task { [weak self] in
            try? await Task.sleep(for: .seconds(seconds))
            self?.wake { $0 == number }
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { $0.waiters[number] = Waiter(job: job, continuation: continuation) }
                // A cancellation or the alarm may have come before there was anybody to wake.
                if Task.isCancelled || alarm.isCancelled { wake { $0 == number } }
            }
        } onCancel: {
            alarm.cancel()
            wake { $0 == number }
        }
        alarm.cancel()
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
        for body in state.withLock({ $0.onChange }) { body() }
    }

    private func wake(_ isWoken: (Int) -> Bool) {
        let woken = state.withLock { state in
            let numbers = state.waiters.keys.filter(isWoken)
            return numbers.compactMap { state.waiters.removeValue(forKey: $0)?.continuation }
        }
        for continuation in woken { continuation.resume() }
    }
}
