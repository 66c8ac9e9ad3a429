import ArgumentParser
import Benchmarks
import Foundation
import Pipelines
import Tensor
import Weights

struct BenchPrecision: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        commandName: "precision",
        abstract: "Measure what fewer bits cost a model's pictures, and what they save.",
        discussion: """
            Makes the same pictures in f32, bf16 and int8, and in --precision with the experts' weights in q8_0 and q4_k, \
            and compares each with those of f32: seconds of a step, PSNR and SSIM. It ends with the fastest way whose pictures \
            all reach --least. Quantised experts are written into a temporary folder and removed.

              phasor bench precision MODEL --size 512x512
            """)

    @Argument(help: "A model folder (default: the embedded model).", transform: HomeFolder.expand)
    var model: String?

    @Option(
        name: .customLong("prompt"), help: "A prompt; may be repeated (default: four that the embedded model knows).")
    var prompts: [String] = []

    @Option(help: "Seeds for each prompt, 1, 2, ...")
    var seeds = 1

    @Option(help: ArgumentHelp("Pixels; the default is the model's.", valueName: "WxH"))
    var size: String?

    @Option(help: ArgumentHelp("Decibels that each picture of a recommended way must reach.", valueName: "dB"))
    var least = 35.0

    @OptionGroup var measuring: BenchOptions
    @OptionGroup var options: ModelOptions

    var speech: SpeechOptions { measuring.speech }
    var isOutputData: Bool { measuring.json == "-" }

    /// The prompts name the background, because a background that is left open is drawn anew when weights change a
    /// little.
    private static let knownPrompts = [
        "a large strawberry on a white background", "a small dog on the beach", "a large yellow car in a snowy field",
        "a large cat in a grassy field",
    ]

    func validate() throws {
        guard 1...1000 ~= seeds else { throw ValidationError("--seeds \(seeds): it must be 1...1000") }
        guard 1...200 ~= least else { throw ValidationError("--least \(least): it must be 1...200") }
    }

    func run() throws {
        let compute = options.makeCompute()
        let files = try options.files(model)
        let whole = try options.open(files, compute: compute.with(.f32))
        let (width, height) = try SizeArgument.parse(
            size, default: (whole.sizes.defaultWidth, whole.sizes.defaultHeight))
        if let reason = whole.sizes.refusal(width: width, height: height) { throw ValidationError("--size: \(reason)") }
        let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-precision-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let names = Set(whole.generators.generators.flatMap(\.plan.experts)).map { name in
            whole.generators.adaptedExperts[name]?.base ?? name
        }
        let bar = ProgressLine()
        var variants = Precision.allCases.map { precision in
            PrecisionBenchmark.Variant(name: precision.rawValue) {
                try options.open(files, compute: compute.with(precision))
            }
        }
        variants += [Quantizer.Target.q8x0, .q4k].map { target in
            PrecisionBenchmark.Variant(name: "\(target.rawValue) in \(options.precision.rawValue)") {
                var narrow = files
                for name in Set(names) {
                    bar.show("\(target.rawValue) weights of \(name)")
                    let path = "\(folder)/\(name)-\(target.rawValue).gguf"
                    narrow.experts[name] = path
                    try Quantizer(Checkpoint(path: source(of: name, files)), target: target)
                        .write(to: path, metadata: [:], compute: compute)
                }
                return try options.open(narrow, compute: compute)
            }
        }
        let benchmark = PrecisionBenchmark(
            prompts: prompts.isEmpty ? Self.knownPrompts : prompts, seeds: (1...seeds).map { UInt64($0) },
            width: width, height: height)
        let report = try benchmark.run(variants, least: least) { bar.show(done: $0, of: $1, $2) }
        bar.finish()
        Console.current.result(report.table)
        try measuring.write(report)
    }

    private func source(of expert: String, _ files: ModelFiles) throws -> String {
        if let given = files.experts[expert] { return given }
        guard let folder = files.folder else { throw ValidationError("no file of the expert \(expert)") }
        return "\(folder)/\(expert)"
    }
}
