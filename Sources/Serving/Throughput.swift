import Foundation

/// How much the engine gets done, from what it got done lately.
///
/// Work is counted in pixels of all frames and images times steps. That is coarse (attention is quadratic in the
/// pixels, guidance doubles a step), but the jobs of one server resemble each other.
struct Throughput: Sendable {
    /// Work a second; a moving average over the last few jobs.
    private(set) var rate: Double?

    static func work(of job: Job) -> Double {
        let request = job.request
        return Double(request.width) * Double(request.height) * Double(request.frames) * Double(request.count)
            * Double(max(job.steps, 1))
    }

    mutating func record(_ job: Job) {
        guard job.state == .succeeded, let start = job.startedAt, let end = job.finishedAt, end > start else { return }
        let measured = Self.work(of: job) / end.timeIntervalSince(start)
        rate = rate.map { 0.7 * $0 + 0.3 * measured } ?? measured
    }

    /// Seconds until the running job should be done and so a place in the queue be free, at least 1.
    func retryAfter(running: Job?, now: Date) -> Int {
        guard let running, let start = running.startedAt else { return 1 }
        let elapsed = max(now.timeIntervalSince(start), 0)
        let whole =
            if let rate {
                Self.work(of: running) / rate
            } else {
                // Nothing has finished yet: go by the steps of this one; before the first, as long again as until now.
                running.step > 0 ? elapsed / running.progress : 2 * elapsed
            }
        return Int(min(max((whole - elapsed).rounded(.up), 1), 3600))
    }
}
