import Dispatch
import Foundation

/// The process's limit of open files, sockets included.
///
/// A process that reaches it cannot write its database, answer with a file, or start a timer: some of the system's own
/// libraries end it then. So a part is kept in reserve for all that is no connection, and who connects beyond it is told
/// that the server is busy.
package enum DescriptorLimit {
    /// A server of 1,024 connections that all fetch files needs far fewer; more would be of no use.
    private static let wanted: rlim_t = 65_536
    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

    /// Takes as much of what the process may have as is of use: the limit that it is started with is often 1,024.
    package static func raise() {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < min(limit.rlim_max, wanted) else { return }
        limit.rlim_cur = min(limit.rlim_max, wanted)
        setrlimit(resource, &limit)
    }

    /// The number that the next descriptor gets; below it all are taken, as numbers are given from below.
    static var next: Int32 {
        let probe = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { if probe >= 0 { close(probe) } }
        return max(0, probe)
    }

    /// How many descriptors are kept for others than connections, and the lowest of them.
    /// - Parameters:
    ///   - wanted: at most half of what was free before any connection is kept.
    ///   - first: `next`, before any connection.
    static func reserve(_ wanted: Int, first: Int32) -> (count: Int, lowest: Int) {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < rlim_t(Int32.max) else { return (0, .max) }
        let all = Int(limit.rlim_cur)
        let count = min(wanted, max(0, all - Int(first)) / 2)
        return (count, all - count)
    }

    /// Has libdispatch open what it opens at the first timer of each clock. Where no descriptor is free at that moment, it
    /// ends the process, or no task that sleeps ever wakes again.
    static func openTimers() async {
        try? await Task.sleep(for: .milliseconds(1), clock: .continuous)
        try? await Task.sleep(for: .milliseconds(1), clock: .suspending)
        await withCheckedContinuation { continuation in
            DispatchQueue.global().asyncAfter(wallDeadline: .now()) { continuation.resume() }
        }
    }
}
