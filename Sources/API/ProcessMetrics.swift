import Foundation
import Serving
import Support
import Tensor
import Weights

/// The series that every Prometheus client library has (process_*), and which build this is.
enum ProcessMetrics {
    static func set(in metrics: Metrics) {
        metrics.set(
            "phasor_build_info", "1; its labels tell which build this is and what it computes with.",
            ["version": Release.version, "instructions": "\(InstructionSet.current)"], to: 1)
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        metrics.total(
            "process_cpu_seconds_total", "Seconds of processor time, user and system.",
            to: seconds(usage.ru_utime) + seconds(usage.ru_stime))
        metrics.set(
            "process_resident_memory_bytes", "Bytes in memory, mapped files included.",
            to: Double(ProcessMemory.current.total))
        if let stat = Stat.own {
            metrics.set("process_virtual_memory_bytes", "Bytes of address space.", to: stat.virtualBytes)
            metrics.set("process_start_time_seconds", "Start of the process, in Unix seconds.", to: stat.start)
            metrics.set("process_threads", "Threads.", to: stat.threads)
        }
        if let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
            metrics.set("process_open_fds", "Open file descriptors.", to: Double(open))
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            metrics.set("process_max_fds", "File descriptors that may be open.", to: Double(limit.rlim_cur))
        }
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

    /// What /proc/self/stat tells.
    private struct Stat {
        let virtualBytes: Double
        /// Unix seconds.
        let start: Double
        let threads: Double

        static var own: Stat? {
            // The second field is the program's name in brackets, which may hold anything; numbers follow the last one.
            guard let text = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
                let name = text.lastIndex(of: ")"),
                let boot = bootTime
            else { return nil }
            let fields = text[text.index(after: name)...].split(separator: " ").map { Double($0) }
            // proc(5) counts from 1; the state, the third field, is the first here.
            guard fields.count > 20, let threads = fields[17], let ticks = fields[19], let bytes = fields[20] else {
                return nil
            }
            return Stat(
                virtualBytes: bytes, start: boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK))), threads: threads)
        }

        private static var bootTime: Double? {
            guard let text = try? String(contentsOfFile: "/proc/stat", encoding: .utf8) else { return nil }
            let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
            return line.flatMap { Double($0.dropFirst("btime ".count)) }
        }
    }
}
