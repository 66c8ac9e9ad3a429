import ArgumentParser
import Batch
import Benchmarks
import Foundation
import Jobs
import Pipelines
import Support
import Tensor

struct BenchGenerate: AsyncParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Measure a student against its teacher: latency by stage, and what was lost.",
        discussion: """
            Makes the same prompts and seeds with each generator in turn and reports for each the seconds of every stage, \
            the diversity over seeds, the motion of clips, and for the last generator, which is the reference, how many \
            times as fast the others are and how alike their pictures.

              phasor bench                                    the embedded model: student against teacher
              phasor bench MODEL --generator student --generator teacher:10 --generator teacher
              phasor bench --html report.html --json report.json
              phasor bench --against http://127.0.0.1:8080 --clients 4
            """)

    @Argument(help: "A model folder (default: the embedded model).", transform: HomeFolder.expand)
    var model: String?

    @Option(
        name: .customLong("generator"),
        help: ArgumentHelp(
            "A generator of the model, with steps if not its own number. Repeat it; the last one is the reference "
                + "(default: the model's default, then the one with most network evaluations).",
            valueName: "name[:steps]"))
    var generators: [Contender] = []

    @Option(help: "What to make: image, video or both.")
    var kind = Kind.both

    @Option(
        name: .customLong("prompt"), help: "A prompt; may be repeated (default: four that the embedded model knows).")
    var prompts: [String] = []

    @Option(help: "Seeds for each prompt, 0, 1, ...")
    var seeds = 4

    @Option(help: ArgumentHelp("Pixels; the default is the model's.", valueName: "WxH"))
    var size: String?

    @Option(help: "Frames of a clip (default: the model's).")
    var frames: Int?

    @Option(help: "Encoder preset of clips (default: the server's).")
    var preset: String?

    @Option(
        help: ArgumentHelp("Write a report with plots and pictures to this file, one page.", valueName: "file"),
        completion: .file(extensions: ["html"]), transform: HomeFolder.expand)
    var html: String?

    @Option(help: "wall, or processor: the process's own time over its threads, for a machine that others use as well.")
    var clock = BenchmarkClock.wall

    @OptionGroup(title: "Servers") var load: LoadOptions
    @OptionGroup var measuring: BenchOptions
    @OptionGroup var options: ModelOptions

    var speech: SpeechOptions { measuring.speech }
    var isOutputData: Bool { measuring.json == "-" }

    enum Kind: String, ExpressibleByArgument, CaseIterable { case image, video, both }

    private static let knownPrompts = [
        "a large dog on the beach", "a red car on a blue background", "a ghost moves to the left in the night sky",
        "two yellow balloons in a grassy field",
    ]

    func validate() throws {
        guard 1...1000 ~= seeds else { throw ValidationError("--seeds \(seeds): it must be 1...1000") }
        guard 2...100_000 ~= frames ?? 2 else {
            throw ValidationError("--frames \(frames ?? 2): it is for clips, and must be 2 or more")
        }
        for prompt in prompts where prompt.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
            throw ValidationError("--prompt is empty: say what to show")
        }
        try BenchOptions.check("--html", html)
    }

    func run() async throws {
        let prompts = prompts.isEmpty ? Self.knownPrompts : prompts
        if let url = load.against {
            let report = try await load.run(url, prompts: prompts, size: size)
            try measuring.write(report)
            if report.succeeded == 0 { throw ExitCode.failure }
            return
        }
        let compute = options.makeCompute()
        let pipeline = try options.openPipeline(model, compute: compute)
        let sizes = pipeline.sizes
        let (width, height) = try SizeArgument.parse(size, default: (sizes.defaultWidth, sizes.defaultHeight))
        let contenders = generators.isEmpty ? try Contender.natural(of: pipeline) : generators
        let benchmark = GenerationBenchmark(
            model: pipeline, contenders: contenders, prompts: prompts, seeds: (0..<seeds).map { UInt64($0) },
            rounds: measuring.rounds ?? 1, preset: preset,
            now: { [clock] in clock.seconds(threads: compute.threads) })
        let bar = ProgressLine()
        var report = GenerationReport(
            model: pipeline.id,
            machine: .init(
                instructions: compute.instructions.description, threads: compute.threads,
                precision: options.precision == options.vaePrecision
                    ? "\(options.precision)" : "\(options.precision), VAE \(options.vaePrecision)"),
            workloads: [])
        report.machine.clock = clock.rawValue
        report.origin = .init(
            version: Phasor.configuration.version, command: CommandLine.arguments,
            modelDigest: try Self.digest(of: pipeline, contenders))
        let clip = frames ?? sizes.defaultFrames
        for frames in [kind == .video ? nil : 1, kind == .image || clip == 1 ? nil : clip].compactMap(\.self) {
            report.workloads.append(
                try benchmark.run(width: width, height: height, frames: frames, fps: sizes.defaultFPS) {
                    done, count, what in
                    bar.show(step: done, of: count, what)
                })
        }
        bar.finish()
        Console.current.result(GenerationTable.text(report))
        try measuring.write(report)
        if let html {
            try OutputFile(html).write(Data(GenerationPage.html(report, date: Date()).utf8))
        }
    }

    /// One digest for all parts and settings that the contenders compute with.
    private static func digest(of pipeline: Pipeline, _ contenders: [Contender]) throws -> String {
        let lines = try contenders.flatMap { contender in
            try ModelIdentity(pipeline, generator: contender.generator).parts.sorted { $0.key < $1.key }
                .map { "\(contender.generator) \($0.key) \($0.value)" }
        }
        return SHA256.hexadecimal(of: Array(lines.joined(separator: "\n").utf8))
    }
}

extension Contender: ExpressibleByArgument {}
