import Foundation

/// How many processors this process may use: what the machine has is often more than a container, a batch system or
/// `taskset` leaves it, and threads beyond that take turns.
package enum Processors {
    /// The least of the processors that are online, those of the affinity mask, and the quota of the control groups rounded
    /// up; at least 1.
    package static var usable: Int {
        usable(online: online, allowed: allowed, quota: ControlGroupQuota.processors)
    }

    package static func usable(online: Int, allowed: Int?, quota: Double?) -> Int {
        max(1, min(online, allowed ?? online, quota.map { Int(min($0.rounded(.up), 1e6)) } ?? online))
    }

    package static var online: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    /// Processors of the affinity mask; nil where the system does not tell.
    package static var allowed: Int? {
        (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)).flatMap(allowed(status:))
    }

    /// - Parameter status: `/proc/self/status`, whose line `Cpus_allowed_list:` is like `0-3,8`.
    package static func allowed(status: String) -> Int? {
        let name = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        let ranges = line.dropFirst(name.count).trimmingCharacters(in: .whitespaces).split(separator: ",")
        let counts = ranges.map { range -> Int? in
            let ends = range.split(separator: "-").map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, last >= first else { return nil }
            return last - first + 1
        }
        let total = counts.reduce(0) { $0 + ($1 ?? 0) }
        return counts.contains(nil) || total == 0 ? nil : total
    }
}
