import Foundation

/// The time that retention goes by: the wall clock, unless that has leapt ahead.
///
/// A clock that is days ahead when a machine boots, or is set ahead by mistake, must not cost anybody their results. So a
/// leap of more than a day beyond what the system's own count of seconds (which runs on while the machine sleeps) can
/// account for is believed only after the wall clock has kept to it for another day. Until then time goes on from where
/// it was. Nothing can be counted while a machine is off: after more than a day, results live a day longer.
package struct RetentionClock: Sendable, Equatable {
    /// Unix seconds.
    package private(set) var now: Double
    /// The system's count of seconds at `now`.
    package private(set) var uptime: Double
    private var doubtedSince: Double?

    private static let slack = 86_400.0
    private static let patience = 86_400.0

    /// - Parameters:
    ///   - known: a time that was right.
    ///   - uptime: the system's count then; if the machine has booted since, the count at present.
    package init(known: Double, uptime: Double) {
        now = known
        self.uptime = uptime
    }

    /// - Parameters:
    ///   - wall: Unix seconds by the wall clock.
    ///   - uptime: the system's count of seconds.
    package mutating func advance(wall: Double, uptime: Double) {
        let expected = now + max(0, uptime - self.uptime)
        self.uptime = uptime
        if wall <= expected + Self.slack {
            (now, doubtedSince) = (wall, nil)
        } else if let doubtedSince, uptime - doubtedSince >= Self.patience {
            (now, self.doubtedSince) = (wall, nil)
        } else {
            doubtedSince = doubtedSince ?? uptime
            now = expected
        }
    }

    /// The system's count of seconds since it booted, sleep included.
    static var uptime: Double {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Tells one boot from another; nil where the system does not say.
    static var boot: String? {
        guard let data = FileManager.default.contents(atPath: "/proc/sys/kernel/random/boot_id") else { return nil }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
