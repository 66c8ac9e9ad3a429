import ArgumentParser
import Batch
import Foundation
import Logging
import Media
import Pipelines
import Serving

struct Render: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make all pictures and clips of a manifest; verify them.",
        discussion: """
            MANIFEST is a .jsonl file with a JSON object on each line, or a .csv file whose first line names the fields: \
            \(Manifest.fieldNames.joined(separator: ", ")). prompt is required; seed is a number or a range such as \
            0-9; file is a name with {line}, {index} and {seed}.

            Every line is checked before anything is computed. Beside each file lies NAME.json with all that is needed \
            to make the same bytes again; --verify does so and compares. After an interruption the same command goes on: \
            what is done stays, and nothing is done twice.

            Exits 0 if all files are there, 1 if some failed, 2 if the manifest is wrong.

              phasor render Models/examples/clips.jsonl --out clips
              phasor render --verify clips
            """)

    @Argument(help: "The manifest, .jsonl or .csv.")
    var manifest: String?

    @Option(help: ArgumentHelp("The folder for the files; created if missing.", valueName: "dir"))
    var out: String?

    @Option(help: ArgumentHelp("Make the files of this folder again and compare their bytes.", valueName: "dir"))
    var verify: String?

    @Flag(help: "Go on with a folder; an error if no batch has worked on it. Without it both is right.")
    var resume = false

    @Flag(help: "Check the manifest, and end.")
    var check = false

    @Option(help: "A model folder (default: the embedded model).")
    var model: String?

    @Option(help: "The generator of lines that name none (default: the model's).")
    var generator: String?

    @Option(help: "Frames a second of clips whose lines say nothing (default: the model's).")
    var fps: Int?

    @Option(help: "h264 or av1, for clips whose lines say nothing.")
    var codec: VideoOptions.Codec?

    @Option(help: "Constant rate factor of clips whose lines say nothing: less is better and larger.")
    var crf: Int?

    @Option(help: "Encoder preset of clips whose lines say nothing.")
    var preset: String?

    @Option(help: "yuv420p, which plays everywhere, or yuv444p, for clips whose lines say nothing.")
    var pixelFormat: VideoOptions.PixelFormat?

    @Option(help: "Files that are on their way at a time; the more, the fewer changes of expert.")
    var window = 32

    @OptionGroup var options: ModelOptions

    func validate() throws {
        guard 1...4096 ~= window else { throw ValidationError("--window must be 1...4096") }
        guard 1...240 ~= fps ?? 1 else { throw ValidationError("--fps must be 1...240") }
        if verify != nil {
            guard manifest == nil, out == nil, !check, !resume else {
                throw ValidationError("--verify takes a folder and neither a manifest nor --out, --check or --resume")
            }
        } else {
            guard manifest != nil else { throw ValidationError("give a manifest, or --verify DIR") }
            guard out != nil || check else { throw ValidationError("--out DIR says where the files go") }
        }
    }

    func run() async throws {
        let compute = options.makeCompute()
        let pipeline = try options.openPipeline(model, compute: compute)
        let maker = Sidecar.Maker(
            precision: "\(options.precision), VAE \(options.vaePrecision)",
            instructions: compute.instructions.description)
        var logger = Logger(label: "phasor")
        logger.logLevel = .critical
        if let verify {
            let verification = BatchVerification(model: pipeline, made: maker, folder: verify)
            try await remake(verification, logger)
        } else if let manifest {
            try await make(read(manifest, for: pipeline), pipeline, maker, logger)
        }
    }

    // MARK: Making

    private func read(_ path: String, for pipeline: Pipeline) throws -> Manifest {
        guard let format = Manifest.Format(path: path) else {
            throw ValidationError("\(path): a manifest's name ends in .jsonl or .csv")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path) cannot be read")
        }
        var defaults = Manifest.Defaults()
        (defaults.generator, defaults.fps, defaults.codec) = (generator, fps, codec)
        (defaults.crf, defaults.preset, defaults.pixelFormat) = (crf, preset, pixelFormat)
        do {
            return try Manifest(Array(data), format: format, model: pipeline, defaults: defaults)
        } catch {
            for fault in error.faults { Self.complain("\(path): \(fault)") }
            let count = error.faults.count
            Self.complain("\(count) fault\(count == 1 ? "" : "s"); nothing was made")
            throw ExitCode(2)
        }
    }

    private func make(
        _ manifest: Manifest, _ pipeline: Pipeline, _ maker: Sidecar.Maker, _ logger: Logger
    ) async throws {
        guard let out, !check else {
            print("\(manifest.items.count) files to make; the manifest is right")
            return
        }
        var runOptions = BatchRun.Options()
        runOptions.window = window
        runOptions.mustResume = resume
        let run = BatchRun(
            manifest, model: pipeline, made: maker, folder: out, options: runOptions)
        var painter: Task<Void, Never>?
        let summary: BatchSummary
        do {
            summary = try await run.run(logger: logger) { progress in
                painter = Task {
                    let bar = ProgressLine()
                    while !Task.isCancelled {
                        Self.show(progress.snapshot, on: bar)
                        try? await Task.sleep(for: .milliseconds(200))
                    }
                    bar.finish()
                }
            }
        } catch {
            painter?.cancel()
            await painter?.value
            throw error
        }
        painter?.cancel()
        await painter?.value
        try run.writeOverview(title: URL(filePath: self.manifest ?? out).lastPathComponent, summary: summary)
        for failure in summary.failed { Self.complain("line \(failure.line): \(failure.file): \(failure.reason)") }
        print(Self.text(summary, out))
        if !summary.failed.isEmpty { throw ExitCode(1) }
    }

    private static func show(_ state: BatchProgress.Snapshot, on bar: ProgressLine) {
        let rates = state.stages.map { String(format: "%@ %.1f/s", $0.name, $0.perSecond) }
        let left = state.secondsLeft.map { "eta " + Self.duration($0) } ?? ""
        let failed = state.failed > 0 ? ["\(state.failed) failed"] : []
        bar.show(
            done: state.done + state.kept + state.failed, of: state.total,
            (failed + [left] + rates).filter { !$0.isEmpty }.joined(separator: "  "))
    }

    private static func text(_ summary: BatchSummary, _ folder: String) -> String {
        var lines = [
            "\(folder): \(summary.made) made, \(summary.kept) there before, \(summary.failed.count) failed, in "
                + duration(summary.seconds)
                + (summary.made > 0 ? String(format: " (%.2f files/s)", Double(summary.made) / summary.seconds) : "")
        ]
        for stage in summary.stages {
            let what = stage.name.padded(18)
            lines.append(
                String(format: "  %@ %6d in %7.1f s, %7.1f/s", what, stage.count, stage.seconds, stage.perSecond))
        }
        return lines.joined(separator: "\n")
    }

    private static func duration(_ seconds: Double) -> String {
        let whole = Int(min(seconds, 1e9).rounded(.up))
        if whole < 60 { return seconds < 10 ? String(format: "%.1f s", seconds) : "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }

    private static func complain(_ text: String) {
        FileHandle.standardError.write(Data("\(text)\n".utf8))
    }

    // MARK: Verifying

    private func remake(_ verification: BatchVerification, _ logger: Logger) async throws {
        let counter = Counter()
        let results = try await verification.run(logger: logger) { result, count in
            counter.show(count)
            if let fault = result.fault { Self.complain("\(result.file): \(fault)") }
        }
        counter.finish()
        let wrong = results.filter { $0.fault != nil }.count
        print("\(results.count) files made again: \(results.count - wrong) with the same bytes, \(wrong) not")
        if wrong > 0 { throw ExitCode(1) }
    }

    /// Results come one after the other, from one task.
    private final class Counter: @unchecked Sendable {
        private let bar = ProgressLine()
        private var seen = 0

        func show(_ count: Int) {
            seen += 1
            bar.show(done: seen, of: count, "made again")
        }

        func finish() { bar.finish() }
    }
}

extension VideoOptions.Codec: ExpressibleByArgument {}
extension VideoOptions.PixelFormat: ExpressibleByArgument {}
