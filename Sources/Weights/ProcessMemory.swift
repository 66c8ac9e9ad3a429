import Foundation

/// What the process has in memory, in bytes.
package struct ProcessMemory: Sendable {
    /// Memory of its own: heap, buffers.
    package var anonymous = 0
    /// Pages of mapped files, its code included.
    package var file = 0
    package var shared = 0

    package init() {}

    package var total: Int { anonymous + file + shared }

    /// The figures of /proc/self/status; zeros where there is no such file.
    package static var current: ProcessMemory {
        var result = ProcessMemory()
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return result }
        for line in text.split(separator: "\n") where line.hasPrefix("Rss") {
            let fields = line.split { $0 == " " || $0 == "\t" }
            guard fields.count >= 2, let kilobytes = Int(fields[1]) else { continue }
            switch fields[0] {
            case "RssAnon:": result.anonymous = kilobytes << 10
            case "RssFile:": result.file = kilobytes << 10
            case "RssShmem:": result.shared = kilobytes << 10
            default: break
            }
        }
        return result
    }

    /// Pages that the process had to wait for since it began.
    package static var majorFaults: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_majflt
    }
}
