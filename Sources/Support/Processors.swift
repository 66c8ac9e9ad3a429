import Foundation

/// How many processors this process may use: what the machine has is often more than a container, a batch system or
/// `taskset` leaves it, and threads beyond that take turns.
package enum Processors {
    /// Threads that computing gains from: the least of the cores that the affinity mask leaves, whose hyper-threads share the units
    /// that multiply, and the quota of the control groups rounded up; at least 1.
    package static var usable: Int {
        usable(cores: ProcessorTopology.current.cores.count, quota: ControlGroups.current.processors)
    }

    package static func usable(cores: Int, quota: Double?) -> Int {
        max(1, min(cores, quota.map { Int(min($0.rounded(.up), 1e6)) } ?? cores))
    }

    package static var online: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    /// The affinity mask; nil where the system does not tell.
    package static var allowed: [Int]? {
        (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)).flatMap(allowed(status:))
    }

    /// - Parameter status: `/proc/self/status`, whose line `Cpus_allowed_list:` is like `0-3,8`.
    package static func allowed(status: String) -> [Int]? {
        let name = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        return ProcessorList.parse(line.dropFirst(name.count))
    }
}
