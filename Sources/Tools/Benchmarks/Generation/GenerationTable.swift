import Foundation

/// The report as text for a terminal.
package enum GenerationTable {
    package static func text(_ report: GenerationReport) -> String {
        let machine = report.machine
        var lines = [
            "\(report.model), \(machine.processor), \(machine.instructions), \(machine.threads) threads, "
                + machine.precision + (machine.clock == "wall" ? "" : ", processor time over threads")
        ]
        for workload in report.workloads {
            lines += ["", Self.title(workload), ""]
            lines += contenders(workload.contenders)
            lines.append("")
            for comparison in workload.comparisons { lines += verdict(comparison) }
        }
        lines += ["", "Diversity and motion are computed from pixels, and are not the measures of the paper:"]
        lines += ["diversity", "motion"].compactMap { name in
            GenerationReport.measures[name].map { "  \(name): \($0)" }
        }
        if !machine.measuresEnergy { lines.append("  energy: this machine shows no RAPL counters") }
        return lines.joined(separator: "\n")
    }

    package static func title(_ workload: GenerationReport.Workload) -> String {
        let what =
            workload.kind == .image
            ? "pictures of \(workload.width)x\(workload.height)"
            : "clips of \(workload.width)x\(workload.height), \(workload.frames) frames"
        let rounds = workload.rounds == 1 ? "" : ", \(workload.rounds) rounds"
        return "\(what): \(workload.prompts.count) prompts x \(workload.seeds.count) seeds\(rounds)"
    }

    /// One column for each contender.
    private static func contenders(_ results: [GenerationReport.ContenderResult]) -> [String] {
        func row(_ name: String, _ value: (GenerationReport.ContenderResult) -> String) -> String {
            pad(name, 26) + results.map { pad(value($0), 30) }.joined()
        }
        func seconds(_ name: String, _ value: @escaping (GenerationReport.ContenderResult) -> Summary) -> String {
            row(name) { range(value($0)) }
        }
        var lines = [
            row("") { "\($0.name), NFE \($0.nfe)" },
            row("seconds") { _ in "    min  median     p95" },
            seconds("  text encode") { $0.stages.text },
        ]
        for (phase, step) in shortSteps(results) {
            lines.append(
                row("  step \(step), \(phase)") { result in
                    let isOwn = shortSteps([result]).contains { $0 == (phase, step) }
                    return isOwn ? range(result.stages.steps[step - 1].seconds) : ""
                })
        }
        lines += [
            row("  all steps") { number($0.stageMedians["steps"] ?? 0, "%15.4f") },
            seconds("  of it expert switches") { $0.stages.switchStall },
            seconds("  VAE decode") { $0.stages.decode }, seconds("  media encode") { $0.stages.encode },
            seconds("  total") { $0.total }, row("steps a second") { number($0.stepsPerSecond, "%15.1f") },
            row("peak resident memory") { $0.peakResidentBytes.map { number(Double($0) / 1e6, "%12.0f MB") } ?? "-" },
        ]
        if results.contains(where: { $0.joules != nil }) {
            lines.append(row("energy") { $0.joules.map { number($0, "%13.2f J") } ?? "-" })
        }
        lines.append(row("diversity over seeds") { $0.diversity.map { number($0.mean, "%15.4f") } ?? "-" })
        if results.contains(where: { $0.motion != nil }) {
            lines.append(row("motion, pixels a frame") { $0.motion.map { number($0.flow, "%15.3f") } ?? "-" })
            lines.append(
                row("dynamic clips") { $0.motion.map { number($0.dynamicDegree * 100, "%13.0f %%") } ?? "-" })
        }
        return lines
    }

    /// The steps of schedules of up to eight, once where several have one of the same phase and number. A long
    /// schedule's stand in one line, together.
    private static func shortSteps(_ results: [GenerationReport.ContenderResult]) -> [(phase: String, step: Int)] {
        results.filter { $0.stages.steps.count <= 8 }.flatMap { result in
            result.stages.steps.indices.map { (phase: result.stages.steps[$0].phase, step: $0 + 1) }
        }.reduce(into: []) { steps, next in
            if !steps.contains(where: { $0 == next }) { steps.append(next) }
        }
    }

    private static func verdict(_ comparison: GenerationReport.Comparison) -> [String] {
        let speedup = comparison.speedup
        var lines = [
            "\(comparison.contender) is \(number(speedup.ratio, "%.2f")) times as fast as \(comparison.baseline) "
                + "(95 % interval \(number(speedup.low, "%.2f")) to \(number(speedup.high, "%.2f")), "
                + "\(speedup.pairs) pairs)"
        ]
        var kept: [String] = []
        if let share = comparison.diversityKept { kept.append("\(number(share * 100, "%.0f")) % of its diversity") }
        if let share = comparison.motionKept { kept.append("\(number(share * 100, "%.0f")) % of its motion") }
        if !kept.isEmpty { lines.append("  it keeps \(kept.joined(separator: " and "))") }
        if let psnr = comparison.similarity?.psnr, let ssim = comparison.similarity?.ssim {
            lines.append("  same seed: PSNR \(number(psnr, "%.1f")) dB, SSIM \(number(ssim, "%.3f"))")
        }
        return lines
    }

    private static func range(_ summary: Summary) -> String {
        String(format: "%7.4f %7.4f %7.4f", summary.minimum, summary.median, summary.p95)
    }

    private static func number(_ value: Double, _ format: String) -> String { String(format: format, value) }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(width - text.count, 1))
    }
}
