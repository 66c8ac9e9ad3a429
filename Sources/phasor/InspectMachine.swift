import Benchmarks
import Foundation
import Pipelines
import Support
import Tensor

/// `phasor inspect --machine`: what computes here, and what limits it.
struct MachineInspection {
    private let threading: ThreadOptions
    private let topology = ProcessorTopology.current

    init(_ threading: ThreadOptions) {
        self.threading = threading
    }

    func show() {
        if let name = Self.processorName { line("processor", name) }
        let current = InstructionSet.current
        line("kernels", "\(current)\(current.multipliesBytes ? ", and int8" : "")")
        for (level, reason) in InstructionSet.unused { line("", "not \(level): \(reason)") }
        showProcessors()
        showMemory()
        showThreads()
        let peaks = MachinePeaks(threading.makeCompute())
        line(
            "peaks",
            String(format: "f32 %.0f GF/s, bf16 %.0f GF/s", peaks.f32, peaks.bf16)
                + (peaks.int8.map { String(format: ", int8 %.0f GOP/s", $0) } ?? "")
                + String(format: ", memory reads %.0f GB/s", peaks.memoryRead))
        line("", "measured now with \(counted(peaks.threads, "thread")); whatever else runs lowers them")
    }

    private func showProcessors() {
        let cores = topology.cores
        let threads = Set(cores.map(\.processors.count)).sorted().map(String.init).joined(separator: " or ")
        line(
            "processors",
            "\(Processors.online) online, \(topology.processors.count) in the affinity mask "
                + "(\(ProcessorList.text(topology.processors)))")
        line("", "\(counted(cores.count, "core")) of \(threads) thread\(threads == "1" ? "" : "s") each")
        let quota = ControlGroups.current.processors.map { String(format: "%.4g processors", $0) }
        line("", "control groups: \(quota ?? "no limit")")
    }

    private func showMemory() {
        let physical = Int(clamping: ProcessInfo.processInfo.physicalMemory)
        let limit = MemoryBudget.available < physical ? gigabytes(MemoryBudget.available) : "no limit"
        let budget = MemoryBudget.automatic.limit.map(gigabytes) ?? "none"
        line("memory", "\(gigabytes(physical)), control groups: \(limit), --memory auto: \(budget)")
        let nodes = topology.nodes
        guard nodes.count > 1 else { return line("memory nodes", "1") }
        for node in nodes {
            let processors = topology.cores.filter { $0.node == node }.flatMap(\.processors).sorted()
            line(node == nodes.first ? "memory nodes" : "", "\(node): processors \(ProcessorList.text(processors))")
        }
    }

    private func showThreads() {
        let count = threading.count
        guard let placement = topology.placement(threads: count) else {
            return line("threads", "\(count), on any processor of the mask")
        }
        line("threads", "\(count), all but the first bound to the processors of a memory node")
        for (processors, threads) in Dictionary(grouping: placement.processors, by: { $0 })
            .sorted(by: { $0.key.lexicographicallyPrecedes($1.key) })
        {
            line("", "\(threads.count) on \(ProcessorList.text(processors))")
        }
        if !placement.memoryNodes.isEmpty {
            line("", "pages in turn on memory nodes \(ProcessorList.text(placement.memoryNodes))")
        }
    }

    /// The name of the first processor. Arm has no names there.
    private static var processorName: String? {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces)
    }

    private func line(_ title: String, _ text: String) { print("\(title.padded(13)) \(text)") }
    private func gigabytes(_ bytes: Int) -> String { String(format: "%.1f GB", Double(bytes) / 1e9) }
    private func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}
