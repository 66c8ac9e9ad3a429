import Foundation

/// Threads of the server's own.
///
/// Swift's tasks share a few threads in a process, as many as there are processors, and whoever computes on them keeps
/// all others waiting. `/healthz` must answer while a step runs, so connections, deadlines and handlers run here instead.
/// The threads are made once for the process, and live as long as it.
final class ServerThreads: TaskExecutor, Sendable {
    static let shared = ServerThreads(count: 4)

    private let condition = NSCondition()
    /// Jobs in order, those before `taken` already run. Guarded by `condition`.
    nonisolated(unsafe) private var jobs: [UnownedJob] = []
    nonisolated(unsafe) private var taken = 0

    private init(count: Int) {
        for number in 0..<count {
            let thread = Thread { self.run() }
            thread.name = "http-\(number)"
            thread.start()
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        condition.lock()
        jobs.append(job)
        condition.signal()
        condition.unlock()
    }

    private func run() -> Never {
        while true {
            next().runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    private func next() -> UnownedJob {
        condition.lock()
        defer { condition.unlock() }
        while taken == jobs.count { condition.wait() }
        defer {
            taken += 1
            if taken > jobs.count / 2 {
                jobs.removeFirst(taken)
                taken = 0
            }
        }
        return jobs[taken]
    }
}
