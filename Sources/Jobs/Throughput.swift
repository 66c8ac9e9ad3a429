import Foundation

/// How much the engine gets done, from what it got done lately.
///
/// Work is counted in pixels of all frames and images times steps. That is coarse (attention is quadratic in the
/// pixels, guidance doubles a step), but the jobs of one server resemble each other.
struct Throughput: Sendable {
    private var work = 0.0
    private var seconds = 0.0

    /// Work a second; of the last few dozen stages, later ones counting more.
    var rate: Double? { work > 0 && seconds > 0 ? work / seconds : nil }

    static func work(of job: Job) -> Double {
        let request = job.request
        return Double(request.width) * Double(request.height) * Double(request.frames) * Double(request.count)
            * Double(max(job.steps, 1))
    }

    /// - Parameter work: 0 for what comes before and after the steps, which takes time as well.
    mutating func record(work: Double, seconds: Double) {
        self.work = 0.95 * self.work + work
        self.seconds = 0.95 * self.seconds + seconds
    }

    /// Seconds until a job should be done. Running jobs share the machine, step by step; a waiting one begins when those
    /// before it have had their turn.
    /// - Parameters:
    ///   - beside: the other jobs that run.
    ///   - behind: the jobs that wait before it; empty for one that runs.
    /// - Returns: nil while nothing is known.
    func secondsLeft(of job: Job, beside: [Job], behind: [Job], now: Date) -> Double? {
        let own = Self.workLeft(of: job)
        guard let rate else {
            guard job.step > 0, job.progress > 0, let started = job.startedAt else { return nil }
            return max(now.timeIntervalSince(started), 0) * (1 / job.progress - 1)
        }
        // Beside one that runs the others advance as much as it does, at most to their end.
        let others = beside.map(Self.workLeft).reduce(0) { $0 + (job.state == .running ? min($1, own) : $1) }
        return (own + others + behind.map(Self.workLeft).reduce(0, +)) / rate
    }

    private static func workLeft(of job: Job) -> Double { (1 - job.progress) * work(of: job) }

    /// Seconds until one of the running jobs should be done and so a place in the queue be free, at least 1. They share
    /// the machine, so this is their mean.
    func retryAfter(running: [Job], now: Date) -> Int {
        guard !running.isEmpty else { return 1 }
        let left =
            if let rate {
                running.reduce(0) { $0 + (1 - $1.progress) * Self.work(of: $1) } / rate / Double(running.count)
            } else {
                // Nothing is known yet: go by the steps of those that run; before the first, as long again as until now.
                running.reduce(0) { sum, job in
                    let elapsed = max(job.startedAt.map(now.timeIntervalSince) ?? 0, 0)
                    return sum + (job.step > 0 ? elapsed * (1 / job.progress - 1) : elapsed)
                } / Double(running.count)
            }
        return Int(min(max(left.rounded(.up), 1), 3600))
    }
}
