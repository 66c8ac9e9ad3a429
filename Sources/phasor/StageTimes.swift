import Foundation

/// The seconds of each stage of a run, and what it took of memory and disk.
struct StageTimes {
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var last: ContinuousClock.Instant
    private var lastProcessor: Double
    private var stages: [(name: String, seconds: [Double], processor: Double)] = []

    init() {
        start = clock.now
        last = start
        lastProcessor = Self.processorSeconds(Self.usage)
    }

    private static var usage: rusage {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage
    }

    private static func processorSeconds(_ usage: rusage) -> Double {
        let (user, system) = (usage.ru_utime, usage.ru_stime)
        return Double(user.tv_sec + system.tv_sec) + Double(user.tv_usec + system.tv_usec) / 1e6
    }

    /// What was done since the end of the stage before; stages of one name stand together.
    mutating func end(_ name: String) {
        let now = clock.now
        let seconds = last.duration(to: now) / .seconds(1)
        let processor = Self.processorSeconds(Self.usage)
        if stages.last?.name == name {
            stages[stages.count - 1].seconds.append(seconds)
            stages[stages.count - 1].processor += processor - lastProcessor
        } else {
            stages.append((name, [seconds], processor - lastProcessor))
        }
        (last, lastProcessor) = (now, processor)
    }

    var total: Double { start.duration(to: last) / .seconds(1) }

    /// Seconds by the clock, then the processor's, all threads together: the latter do not count what other processes take.
    /// `text 9.13 s (17.90), steps 31.02 30.15 s (121.20), decoding 5.31 s (10.22); peak memory 14.80 GB, ...`
    var description: String {
        let usage = Self.usage
        let parts = stages.map { stage in
            "\(stage.name) " + stage.seconds.map { String(format: "%.2f", $0) }.joined(separator: " ")
                + String(format: " s (%.2f)", stage.processor)
        }
        // Linux counts kilobytes of memory and blocks of 512 bytes.
        return parts.joined(separator: ", ")
            + String(
                format: "; peak memory %.2f GB, %.2f GB read from disk", Double(usage.ru_maxrss) * 1024 / 1e9,
                Double(usage.ru_inblock) * 512 / 1e9)
    }
}
