import Dispatch
import Jobs
import PostgreSQL
import Synchronization

/// Something that a ledger was told. What is not told is seen by whoever looks now and then.
package enum LedgerNews: Sendable, Equatable {
    /// What happens is heard from now on; what has happened before may not have been.
    case connected
    /// Jobs wait for a part that nobody waited for.
    case line(model: String, part: String)
    /// Jobs have new events.
    case jobs([String])

    init?(_ event: PostgresListener.Event) {
        switch event {
        case .connected: self = .connected
        case .lost: return nil
        case .notified(Announcements.lineChannel, let payload):
            let words = payload.unicodeScalars.split(separator: "\t", maxSplits: 1).map { String($0) }
            guard words.count == 2 else { return nil }
            self = .line(model: words[0], part: words[1])
        case .notified(Announcements.jobChannel, let payload):
            self = .jobs(payload.unicodeScalars.split(separator: " ").map { String($0) })
        case .notified: return nil
        }
    }
}

/// Notifies what was written, after it was written: a notification takes a lock of the whole database when its transaction
/// ends. What comes within some milliseconds goes together.
final class Announcements: Sendable {
    static let lineChannel = "phasor_line"
    static let jobChannel = "phasor_job"
    static let channels = [lineChannel, jobChannel]

    private struct State {
        var lines: Set<String> = []
        var jobs: Set<String> = []
        var isScheduled = false
    }

    private let pool: PostgresPool
    private let queue = DispatchQueue(label: "phasor.announcements")
    private let state = Mutex(State())
    private static let pause = DispatchTimeInterval.milliseconds(10)
    /// A payload holds 8,000 bytes, an id of a job has 38.
    private static let jobsAtOnce = 200

    init(pool: PostgresPool) {
        self.pool = pool
    }

    func line(model: String, part: String) { add { $0.lines.insert("\(model)\t\(part)") } }

    func jobs(_ ids: some Sequence<String>) { add { $0.jobs.formUnion(ids) } }

    private func add(_ change: (inout State) -> Void) {
        let isFirst = state.withLock { state in
            change(&state)
            guard !state.isScheduled, !state.lines.isEmpty || !state.jobs.isEmpty else { return false }
            state.isScheduled = true
            return true
        }
        guard isFirst else { return }
        queue.asyncAfter(deadline: .now() + Self.pause) { self.send() }
    }

    private func send() {
        let (lines, jobs) = state.withLock { state in
            defer { state = State() }
            return (state.lines.sorted(), state.jobs.sorted())
        }
        var payloads = lines.map { (Self.lineChannel, $0) }
        for start in stride(from: 0, to: jobs.count, by: Self.jobsAtOnce) {
            payloads.append(
                (Self.jobChannel, jobs[start..<min(start + Self.jobsAtOnce, jobs.count)].joined(separator: " ")))
        }
        // Whoever was not told looks by himself.
        try? pool.run { db in
            _ = try db.execute(
                "SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS n (channel, payload)",
                [.texts(payloads.map(\.0)), .texts(payloads.map(\.1))])
        }
    }
}
