import Foundation

/// The figures of a replay under each policy.
package struct ScheduleReport: Codable, Sendable {
    package struct Figures: Codable, Sendable, Equatable {
        /// Evaluations by another expert than the one before.
        package var expertSwitches: Double
        /// Network evaluations; runs share them.
        package var evaluations: Double
        /// Seconds that computing waited for weights.
        package var stallSeconds: Double
        package var throughputPerMinute: Double
        /// The median time from arrival to the end of a job.
        package var p50Seconds: Double
        package var p95Seconds: Double
        package var p99Seconds: Double
        /// The peak of resident memory; nil where the system does not tell.
        package var peakResidentBytes: Double?

        enum CodingKeys: String, CodingKey {
            case evaluations
            case expertSwitches = "expert_switches"
            case stallSeconds = "stall_seconds"
            case throughputPerMinute = "throughput_per_minute"
            case p50Seconds = "p50_seconds"
            case p95Seconds = "p95_seconds"
            case p99Seconds = "p99_seconds"
            case peakResidentBytes = "peak_resident_bytes"
        }
    }

    package struct Policies: Codable, Sendable {
        package let fifo: Figures
        package let phaseSynchronous: Figures

        enum CodingKeys: String, CodingKey {
            case fifo
            case phaseSynchronous = "phase_synchronous"
        }

        package init(fifo: Figures, phaseSynchronous: Figures) {
            self.fifo = fifo
            self.phaseSynchronous = phaseSynchronous
        }
    }

    package let model: String
    package let requests: Int
    package let rounds: Int
    /// Bytes of the experts that steps used, and that the process or its weights were allowed; nil for no limit.
    package let expertBytes: [String: Int]
    package let memoryBytes: Int?
    package let policies: Policies

    enum CodingKeys: String, CodingKey {
        case model, requests, rounds, policies
        case expertBytes = "expert_bytes"
        case memoryBytes = "memory_bytes"
    }

    package init(
        model: String, requests: Int, rounds: Int, expertBytes: [String: Int], memoryBytes: Int?, policies: Policies
    ) {
        self.model = model
        self.requests = requests
        self.rounds = rounds
        self.expertBytes = expertBytes
        self.memoryBytes = memoryBytes
        self.policies = policies
    }

    package var table: String {
        let head = ["policy", "switches", "evaluations", "stall", "per minute", "p50", "p95", "p99", "peak RSS"]
        let rows = [("fifo", policies.fifo), ("phase-synchronous", policies.phaseSynchronous)].map { name, figures in
            [
                name, String(format: "%.0f", figures.expertSwitches), String(format: "%.0f", figures.evaluations),
                String(format: "%.2f s", figures.stallSeconds), String(format: "%.1f", figures.throughputPerMinute),
                String(format: "%.2f s", figures.p50Seconds), String(format: "%.2f s", figures.p95Seconds),
                String(format: "%.2f s", figures.p99Seconds),
                figures.peakResidentBytes.map { String(format: "%.0f MB", $0 / 1e6) } ?? "-",
            ]
        }
        let widths = head.indices.map { column in ([head] + rows).map { $0[column].count }.max() ?? 0 }
        return ([head] + rows).map { row in
            zip(row, widths).enumerated().map { column, cell in
                let space = String(repeating: " ", count: cell.1 - cell.0.count)
                return column == 0 ? cell.0 + space : space + cell.0
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

extension ScheduleReport.Figures {
    /// Returns nil for a record without runs.
    package init?(_ record: ScheduleRecord) {
        let latencies = record.runs.map { $0.end - $0.arrival }
        guard let summary = Summary(latencies), let end = record.runs.map(\.end).max(),
            let start = record.runs.map(\.arrival).min(), end > start
        else { return nil }
        let experts = record.turns.map(\.pass).filter { $0.stage == .steps }
        self.init(
            expertSwitches: Double(zip(experts, experts.dropFirst()).filter { $0 != $1 }.count),
            evaluations: Double(experts.count), stallSeconds: record.stallSeconds,
            throughputPerMinute: 60 * Double(record.runs.count) / (end - start), p50Seconds: summary.median,
            p95Seconds: summary.p95, p99Seconds: summary.p99,
            peakResidentBytes: record.peakResidentBytes.map { Double($0) })
    }

    /// The medians of several rounds; nil for none.
    package init?(medianOf rounds: [Self]) {
        guard !rounds.isEmpty else { return nil }
        func median(_ value: (Self) -> Double) -> Double { Summary.quantile(0.5, of: rounds.map(value)) }
        let peaks = rounds.compactMap(\.peakResidentBytes)
        self.init(
            expertSwitches: median(\.expertSwitches), evaluations: median(\.evaluations),
            stallSeconds: median(\.stallSeconds), throughputPerMinute: median(\.throughputPerMinute),
            p50Seconds: median(\.p50Seconds), p95Seconds: median(\.p95Seconds), p99Seconds: median(\.p99Seconds),
            peakResidentBytes: peaks.isEmpty ? nil : Summary.quantile(0.5, of: peaks))
    }
}
