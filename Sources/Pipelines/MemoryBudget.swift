import Foundation

/// How much memory the process may take.
package enum MemoryBudget: Sendable, Equatable {
    /// What the system has for the process, less a part for what else runs.
    case automatic
    case bytes(Int)
    /// No budget: the system decides what stays in memory.
    case off

    /// `auto`, `off`, or a size such as `12GB`, `900MB`, `8GiB`.
    package init?(_ text: String) {
        let text = text.trimmingCharacters(in: .whitespaces).lowercased()
        switch text {
        case "auto": self = .automatic
        case "off": self = .off
        default:
            let units = [
                ("gib", 1_073_741_824.0), ("mib", 1_048_576), ("gb", 1e9), ("mb", 1e6), ("g", 1e9), ("m", 1e6),
            ]
            guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }),
                let number = Double(text.dropLast(unit.count).trimmingCharacters(in: .whitespaces)),
                number > 0, number * factor < 1e18
            else { return nil }
            self = .bytes(Int(number * factor))
        }
    }

    /// Bytes; nil for no budget.
    package var limit: Int? {
        switch self {
        case .bytes(let bytes): bytes
        case .off: nil
        case .automatic: Self.available / 8 * 7
        }
    }

    /// The lowest of the machine's memory and the limits of the control groups that the process is in.
    package static var available: Int {
        let groups = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
        let limits = limitFiles(groups: groups).compactMap { path -> Int? in
            let text = try? String(contentsOfFile: path, encoding: .utf8)
            return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }
        return min(Int(clamping: ProcessInfo.processInfo.physicalMemory), limits.min() ?? .max)
    }

    /// Where limits may stand, of the groups in `/proc/self/cgroup` and of those they are in: version 2
    /// (`0::/a/b`, memory.max) and version 1 (`4:memory:/a/b`, memory.limit_in_bytes).
    package static func limitFiles(groups: String) -> [String] {
        groups.split(separator: "\n").flatMap { line -> [String] in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            let isUnified = fields[0] == "0"
            guard isUnified || fields[1].split(separator: ",").contains("memory") else { return [] }
            let root = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
            let file = isUnified ? "memory.max" : "memory.limit_in_bytes"
            var path = fields[2].split(separator: "/")
            var files: [String] = []
            repeat {
                files.append(([root] + path.map(String.init) + [file]).joined(separator: "/"))
            } while path.popLast() != nil
            return files
        }
    }
}
