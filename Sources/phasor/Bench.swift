import ArgumentParser
import Benchmarks
import Foundation
import Tensor

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure this machine and what Phasor makes of it.", subcommands: [BenchKernels.self, BenchStep.self])
}

struct BenchKernels: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Measure matrix products, attention and convolution as shares of this machine's peak.",
        discussion: """
            The peaks come first: multiply-adds in registers and memory reads. Then each kernel runs at shapes of Wan \
            and Qwen-Image, between two measurements of the peak that its share is taken of.
            """)

    @Option(help: "Threads to compute with (default: one per core).")
    var threads: Int?

    @Option(help: "Runs of each kernel; the median counts.")
    var rounds = 5

    @Option(help: "Only kernels whose name or shape contains this.")
    var filter: String?

    @Option(help: "wall, or processor: the process's own time, for a machine that others use as well.")
    var clock = BenchmarkClock.wall

    @Option(help: ArgumentHelp("Write the figures to this file as JSON.", valueName: "file"))
    var json: String?

    func validate() throws {
        guard 1...1024 ~= threads ?? 1 else { throw ValidationError("--threads must be 1...1024") }
        guard 1...1000 ~= rounds else { throw ValidationError("--rounds must be 1...1000") }
    }

    func run() throws {
        let benchmark = KernelBenchmark(
            threads: threads ?? ProcessInfo.processInfo.activeProcessorCount, rounds: rounds, clock: clock)
        let peaks = benchmark.peaks()
        print("\(peaks.instructions), \(peaks.threads) threads, \(clock.rawValue) time")
        print(String(format: "%8.1f GF/s  bf16 peak", peaks.bf16))
        print(String(format: "%8.1f GF/s  f32 peak", peaks.f32))
        print(String(format: "%8.1f GB/s  memory read", peaks.memoryRead))
        var results: [KernelBenchmark.Result] = []
        for subject in KernelBenchmark.subjects {
            if let filter, !"\(subject.name) \(subject.shape)".contains(filter) { continue }
            let result = benchmark.run(subject)
            print(
                String(format: "%8.1f GF/s %6.1f %%  ", result.gflops, result.shareOfPeak * 100)
                    + "\(result.name), \(result.shape)")
            results.append(result)
        }
        guard let json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let report = KernelBenchmark.Report(machine: peaks, kernels: results)
        try encoder.encode(report).write(to: URL(filePath: json), options: .atomic)
    }
}

extension BenchmarkClock: ExpressibleByArgument {}
