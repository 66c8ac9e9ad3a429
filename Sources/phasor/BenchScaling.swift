import ArgumentParser
import Benchmarks
import Foundation
import Tensor

struct BenchScaling: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        commandName: "scaling",
        abstract: "Measure how much faster more threads are, and where their time goes.",
        discussion: """
            A transformer's block of Wan 1.3B's dimensions, with weights of noise, runs on 1, 2, 4 and so on threads up to \
            --threads. The table says how many times as fast as one thread each number is, its share of their peak, and which \
            share of the threads' time is spent in kernels, waiting for the others, and beside one thread that computes alone. \
            A model of up to 64 threads, made of what was measured on one, follows; it is a model.

              phasor bench scaling --svg scaling.svg
            """)

    @Option(help: "What products are computed in: f32, bf16 or int8.")
    var precision = Precision.bf16

    @Option(
        help: ArgumentHelp("Draw the speed-ups into this SVG file.", valueName: "file"),
        completion: .file(extensions: ["svg"]), transform: HomeFolder.expand)
    var svg: String?

    @OptionGroup var measuring: BenchOptions
    @OptionGroup var threading: ThreadOptions

    var speech: SpeechOptions { measuring.speech }
    var isOutputData: Bool { measuring.json == "-" }

    func validate() throws { try BenchOptions.check("--svg", svg) }

    func run() throws {
        let most = threading.count
        let benchmark = ScalingBenchmark(precision: precision, rounds: measuring.rounds ?? 7)
        let counts = ScalingBenchmark.counts(upTo: most)
        let bar = ProgressLine()
        let model = ScalingBenchmark.counts(upTo: 64).filter { !counts.contains($0) }
        let report = benchmark.run(upTo: most, model: model, make: { ThreadOptions.compute(threads: $0) }) { threads in
            bar.show(done: counts.firstIndex(of: threads) ?? 0, of: counts.count, "\(threads) threads")
        }
        bar.finish()
        Console.current.result(report.table)
        try measuring.write(report)
        if let svg { try OutputFile(svg).write(Data(ScalingDrawing(report).svg.utf8)) }
    }
}
