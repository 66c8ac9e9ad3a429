/// How much longer something takes, by how fast it went until now.
struct ProgressEstimate: Sendable {
    /// Where counting began: what was done before, and when.
    private var counted: (done: Int, at: ContinuousClock.Instant)?

    /// - Returns: seconds left, or nil before anything was measured.
    mutating func secondsLeft(done: Int, of count: Int, now: ContinuousClock.Instant) -> Double? {
        guard let counted, done > counted.done else {
            if counted == nil || done < counted?.done ?? 0 { counted = (done, now) }
            return nil
        }
        let seconds = counted.at.duration(to: now) / .seconds(1)
        return seconds / Double(done - counted.done) * Double(max(count - done, 0))
    }
}

/// A time as people say it: `3.2 s`, `41 s`, `2 min 5 s`, `3 h 20 min`.
enum TimeText {
    static func of(seconds: Double) -> String {
        let whole = Int(min(max(seconds, 0), 1e9).rounded(.up))
        if whole < 60 { return seconds < 10 ? "\(tenths(max(seconds, 0))) s" : "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }

    private static func tenths(_ seconds: Double) -> String {
        let count = Int((seconds * 10).rounded())
        return "\(count / 10).\(count % 10)"
    }
}
