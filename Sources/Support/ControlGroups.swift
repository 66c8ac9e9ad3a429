import Foundation

/// What control groups leave this process, of version 1 and 2: processor time (`cpu.cfs_quota_us`, `cpu.max`) and memory
/// (`memory.limit_in_bytes`, `memory.max`). The lowest limit of the process's group and the groups around it counts.
package struct ControlGroups {
    private let groups: String
    private let mounts: String
    private let read: (String) -> String?

    package static var current: ControlGroups {
        ControlGroups(groups: text("/proc/self/cgroup") ?? "", mounts: text("/proc/self/mountinfo") ?? "", read: text)
    }

    /// - Parameters:
    ///   - groups: `/proc/self/cgroup`.
    ///   - mounts: `/proc/self/mountinfo`.
    ///   - read: a file's text; nil if there is none.
    package init(groups: String, mounts: String, read: @escaping (String) -> String?) {
        (self.groups, self.mounts, self.read) = (groups, mounts, read)
    }

    /// The quota in processors: 0.5 is half of one; nil for no limit.
    package var processors: Double? {
        folders(of: "cpu").compactMap(quota).min()
    }

    /// Bytes; nil for no limit. Version 1 calls none by a number that no machine has.
    package var memory: Int? {
        folders(of: "memory").compactMap { folder in
            (read("\(folder)/memory.max") ?? read("\(folder)/memory.limit_in_bytes"))
                .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }.min()
    }

    private func quota(in folder: String) -> Double? {
        let numbers: [Double?]
        if let line = read("\(folder)/cpu.max") {
            // "50000 100000", or "max 100000".
            numbers = line.split(whereSeparator: \.isWhitespace).map { Double($0) }
        } else {
            numbers = ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map { name in
                read("\(folder)/\(name)").flatMap { Double($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
            }
        }
        // Version 1 says -1 for no limit.
        guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0 else {
            return nil
        }
        return quota / period
    }

    /// The folders of the process's groups and of all above them, as far as they are mounted here.
    /// - Parameter controller: what version 1 calls the kind of limit; version 2 has one hierarchy for all.
    private func folders(of controller: String) -> [String] {
        let hierarchies = mounts.split(separator: "\n").compactMap { Mount($0, of: controller) }
        return groups.split(separator: "\n").flatMap { line -> [String] in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            let isUnified = fields[0] == "0" && fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains(Substring(controller)) else { return [] }
            return hierarchies.filter { $0.isUnified == isUnified }.flatMap { $0.folders(of: fields[2]) }
        }
    }

    /// Where a hierarchy of control groups is mounted, and which group of it stands there: in a container that is often
    /// not the root.
    private struct Mount {
        let isUnified: Bool
        let root: Substring
        let point: Substring

        /// `31 23 0:28 ROOT POINT rw,relatime - cgroup2 SOURCE OPTIONS`; nil for what has no such limits.
        init?(_ line: Substring, of controller: String) {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 5, fields.count > dash + 3 else { return nil }
            switch fields[dash + 1] {
            case "cgroup2": isUnified = true
            case "cgroup" where fields[dash + 3].split(separator: ",").contains(Substring(controller)):
                isUnified = false
            default: return nil
            }
            (root, point) = (fields[3], fields[4])
        }

        /// The folders from a group up to the mount point. The process cannot see a group that is not below the mounted
        /// one; the mounted one is then the nearest.
        func folders(of group: Substring) -> [String] {
            let base = root == "/" ? "" : root
            let inside = group.hasPrefix("\(base)/") ? group.dropFirst(base.count) : ""
            var parts = inside.split(separator: "/")
            var folders: [String] = []
            repeat {
                folders.append(([point] + parts).joined(separator: "/"))
            } while parts.popLast() != nil
            return folders
        }
    }

    private static func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
}
