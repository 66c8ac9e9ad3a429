import ArgumentParser
import Benchmarks
import Foundation
import Tensor

struct BenchKernels: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Measure matrix products, attention and convolution as shares of this machine's peak.",
        discussion: """
            The peaks come first: multiply-adds in registers and memory reads. Then each kernel runs at shapes of Wan \
            and Qwen-Image, between two measurements of the peak that its share is taken of.
            """)

    @Option(help: "Only kernels whose name or shape contains this.")
    var filter: String?

    @Option(help: "wall, or processor: the process's own time, for a machine that others use as well.")
    var clock = BenchmarkClock.wall

    @Flag(help: "Print the kernels as a Markdown table, when all have run.")
    var table = false

    @OptionGroup var measuring: BenchOptions
    @OptionGroup var threading: ThreadOptions

    var speech: SpeechOptions { measuring.speech }
    var isOutputData: Bool { measuring.json == "-" }

    func run() throws {
        let benchmark = KernelBenchmark(threading.makeCompute(), rounds: measuring.rounds ?? 5, clock: clock)
        let console = Console.current
        let peaks = benchmark.peaks()
        console.result("\(peaks.instructions), \(peaks.threads) threads, \(clock.rawValue) time")
        console.result(String(format: "%8.1f GF/s  bf16 peak", peaks.bf16))
        console.result(String(format: "%8.1f GF/s  f32 peak", peaks.f32))
        if let int8 = peaks.int8 { console.result(String(format: "%8.1f GOP/s int8 peak", int8)) }
        console.result(String(format: "%8.1f GB/s  memory read", peaks.memoryRead))
        var results: [KernelBenchmark.Result] = []
        for subject in KernelBenchmark.subjects {
            if let filter, !"\(subject.name) \(subject.shape)".contains(filter) { continue }
            let result = benchmark.run(subject)
            results.append(result)
            if table { continue }
            console.result(
                String(format: "%8.1f GF/s %6.1f %%  ", result.gflops, result.shareOfPeak * 100)
                    + "\(result.name), \(result.shape)")
        }
        let report = KernelBenchmark.Report(machine: peaks, kernels: results)
        if table { console.result(report.table) }
        try measuring.write(report)
    }
}

extension BenchmarkClock: ExpressibleByArgument {}
