import API
import ArgumentParser
import Batch
import Cluster
import Foundation
import Jobs
import Logging
import Media
import Pipelines
import Serving
import Support
import Synchronization

struct Render: AsyncParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make all pictures and clips of a manifest; verify them.",
        discussion: """
            MANIFEST is a .jsonl file with a JSON object on each line, or a .csv or .tsv file, separated by commas, \
            semicolons or tabs, whose first line names the fields: \
            \(Manifest.fieldNames.joined(separator: ", ")). prompt is required; seed is a number or a range such as \
            0-9; file is a name with {line}, {index} and {seed}; image and last_image are paths of pictures, from where \
            the manifest lies, and images several of them to look at: a list, in a table with | between them.

            Every line is checked before anything is computed. Beside each file lies NAME.json with all that is needed \
            to make the same bytes again; --verify does so and compares. After an interruption the same command goes on: \
            what is done stays, and nothing is done twice. A file that no batch made is never replaced: it is named, and \
            the others are made.

            Shares of a manifest are made on several machines at once, with no server between them, for instance by a \
            Slurm array of 1-16: --shard $SLURM_ARRAY_TASK_ID/16.

            Exits 0 if all files are there, 1 if some failed, 2 if the manifest is wrong.

              phasor render Models/examples/clips.jsonl --out clips
              phasor render --images photos --prompt "it moves to the left" --out moved
              phasor render --verify clips
            """)

    @Argument(
        help: "The manifest, .jsonl, .csv or .tsv.", completion: .file(extensions: ["jsonl", "ndjson", "csv", "tsv"]),
        transform: HomeFolder.expand)
    var manifest: String?

    @Option(
        help: ArgumentHelp("The folder for the files; created if missing.", valueName: "dir"), completion: .directory,
        transform: HomeFolder.expand)
    var out: String?

    @Option(
        help: ArgumentHelp("Make the files of this folder again and compare their bytes.", valueName: "dir"),
        completion: .directory, transform: HomeFolder.expand)
    var verify: String?

    @Flag(help: "Go on with a folder; an error if no batch has worked on it. Without it both is right.")
    var resume = false

    @Option(
        help: ArgumentHelp(
            "Make one of n shares of the files, 1/n to n/n. All may go to one folder, each from a machine of its own; the "
                + "same command without --shard then makes what is missing, and the overview.", valueName: "i/n"))
    var shard: Shard?

    @Flag(help: "Check the manifest, and end.")
    var check = false

    @Option(
        help: ArgumentHelp(
            "In place of a manifest: a line for each PNG, JPEG and WebP file of this folder, by name.", valueName: "dir"
        ),
        completion: .directory, transform: HomeFolder.expand)
    var images: String?

    @Option(RequestFields.prompt, of: .render) var prompt: String?
    @Option(RequestFields.strength, of: .render) var strength: Float?

    @Option(help: "A model folder (default: the embedded model).", completion: .directory, transform: HomeFolder.expand)
    var model: String?

    @Option(RequestFields.generator, of: .render) var generator: String?
    @Option(RequestFields.fps, of: .render) var fps: Int?
    @Option(RequestFields.codec, of: .render) var codec: VideoOptions.Codec?
    @Option(RequestFields.crf, of: .render) var crf: Int?
    @Option(RequestFields.preset, of: .render) var preset: String?
    @Option(RequestFields.pixelFormat, of: .render) var pixelFormat: VideoOptions.PixelFormat?
    @Option(RequestFields.outputFormat, of: .render) var outputFormat: PictureFormat?
    @Option(RequestFields.outputCompression, of: .render) var outputCompression: Int?

    @Option(
        help: ArgumentHelp(
            "Have the workers of this PostgreSQL database make the files (phasor work); this process only sends and fetches. "
                + "--blobs says where their files are.", valueName: "postgres://user@host/database"))
    var store: String?

    @Option(
        help: ArgumentHelp(
            "With --store: s3://BUCKET/PREFIX, or file:///FOLDER that all machines share.", valueName: "url"))
    var blobs: String?

    @OptionGroup var provenance: ProvenanceOptions

    @Option(help: "Files that are on their way at a time; the more, the fewer changes of expert.")
    var window = 32

    @OptionGroup var speech: SpeechOptions
    @OptionGroup var options: ModelOptions

    /// Bytes of a manifest; a million lines of usual prompts are less.
    private static let longestManifest = 1 << 29
    /// Faults of a manifest that are told one by one.
    private static let mostFaults = 200

    func validate() throws {
        guard 1...4096 ~= window else { throw ValidationError("--window \(window): it must be 1...4096") }
        if verify != nil {
            guard manifest == nil, images == nil, out == nil, !check, !resume, shard == nil else {
                throw ValidationError(
                    "--verify takes a folder and neither a manifest nor --out, --check, --resume or --shard")
            }
        } else {
            guard (manifest == nil) != (images == nil) else {
                throw ValidationError("name a manifest, or a folder with --images DIR or --verify DIR")
            }
            guard images == nil || prompt != nil else {
                throw ValidationError("--images: say with --prompt what to make of the pictures")
            }
            guard store.map(ServerConfiguration.isStore) ?? true else {
                throw ValidationError("--store: it must be \(ServerConfiguration.storeForm)")
            }
            guard store != nil || blobs == nil else { throw ValidationError("--blobs goes with --store") }
            guard out != nil || check else {
                throw ValidationError("say with --out DIR where the files go, or --check to make none")
            }
        }
    }

    func run() async throws {
        let compute = options.makeCompute()
        let pipeline = try options.openPipeline(model, compute: compute)
        let maker = Sidecar.Maker(
            precision: "\(options.precision), VAE \(options.vaePrecision)",
            instructions: compute.instructions.description, provenance: provenance.generator)
        var logger = Logger(label: "phasor")
        logger.logLevel = .critical
        if let verify {
            let verification = BatchVerification(model: pipeline, made: maker, folder: verify)
            try await remake(verification, logger)
        } else if let images {
            let lines = try PictureFolder.manifest(of: images)
            try await make(
                read(lines, .jsonLines, called: images, in: images, for: pipeline), pipeline, maker, logger)
        } else if let manifest {
            try await make(read(manifest, for: pipeline), pipeline, maker, logger)
        }
    }

    // MARK: Making

    private func read(_ path: String, for pipeline: Pipeline) throws -> Manifest {
        guard let format = Manifest.Format(path: path) else {
            throw ValidationError("\(path): a manifest's name ends in .jsonl, .csv or .tsv")
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ValidationError("\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw ValidationError("\(path) is a folder, not a manifest") }
        guard status.st_size <= Self.longestManifest else {
            throw ValidationError("\(path) has \(status.st_size) bytes; a manifest may have \(Self.longestManifest)")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path) cannot be read")
        }
        let folder = (path as NSString).deletingLastPathComponent
        return try read(
            Array(data), format, called: path, in: folder.isEmpty ? "." : folder, for: pipeline)
    }

    /// - Parameter folder: where the paths of pictures begin.
    private func read(
        _ bytes: [UInt8], _ format: Manifest.Format, called path: String, in folder: String, for pipeline: Pipeline
    ) throws -> Manifest {
        var defaults = Manifest.Defaults()
        (defaults.prompt, defaults.strength, defaults.folder) = (prompt, strength, folder)
        (defaults.generator, defaults.fps, defaults.codec) = (generator, fps, codec)
        (defaults.crf, defaults.preset, defaults.pixelFormat) = (crf, preset, pixelFormat)
        (defaults.outputFormat, defaults.outputCompression) = (outputFormat, outputCompression)
        do {
            let manifest = try Manifest(bytes, format: format, model: pipeline, defaults: defaults)
            return shard.map(manifest.share) ?? manifest
        } catch {
            let (console, count) = (Console.current, error.faults.count)
            for fault in error.faults.prefix(Self.mostFaults) { console.complain("\(path): \(fault)") }
            if count > Self.mostFaults { console.complain("... and \(count - Self.mostFaults) more") }
            console.complain("\(count) fault\(count == 1 ? "" : "s"); nothing was made")
            throw ExitCode(2)
        }
    }

    private func make(
        _ manifest: Manifest, _ pipeline: Pipeline, _ maker: Sidecar.Maker, _ logger: Logger
    ) async throws {
        guard let out, !check else {
            let count = manifest.items.count
            let faulty = manifest.items.filter { $0.fault != nil }
            for item in faulty { Console.current.complain("line \(item.line): \(item.file): \(item.fault ?? "")") }
            guard faulty.isEmpty else { throw ExitCode(1) }
            Console.current.result("\(count) file\(count == 1 ? "" : "s") to make; the manifest is right")
            return
        }
        var runOptions = BatchRun.Options()
        runOptions.window = window
        runOptions.mustResume = resume
        runOptions.shard = shard
        if let store { runOptions.elsewhere = try elsewhere(store, pipeline, maker, logger, out) }
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
            } onFault: { reason in
                Console.current.complain(reason.map { "\($0); waiting for room" } ?? "there is room again")
            }
        } catch {
            painter?.cancel()
            await painter?.value
            throw error
        }
        painter?.cancel()
        await painter?.value
        // The overview is of all shares, so it comes with the run that has all.
        let faults =
            shard == nil
            ? run.writeOverview(
                title: URL(filePath: self.manifest ?? images ?? out).lastPathComponent, summary: summary)
            : []
        for failure in summary.failed {
            Console.current.complain("line \(failure.line): \(failure.file): \(failure.reason)")
        }
        faults.forEach(Console.current.complain)
        Console.current.result(Self.text(summary, out))
        if !summary.failed.isEmpty || !faults.isEmpty { throw ExitCode(1) }
    }

    /// An engine whose jobs the workers of a store do, and the name that the jobs of this folder have among others.
    private func elsewhere(
        _ store: String, _ pipeline: Pipeline, _ maker: Sidecar.Maker, _ logger: Logger, _ out: String
    ) throws -> (engine: @Sendable (String) throws -> Engine, owner: String) {
        let shared = try SharedStore(store: store, blobs: blobs)
        let place = URL(filePath: out).standardizedFileURL.path
        let owner = "batch-" + FNV1a.hex("\(ProcessInfo.processInfo.hostName) \(place)")
        return (
            { folder in
                var options = ClusterOptions()
                options.retains = false
                var serving = EngineOptions(stateFolder: folder)
                serving.generator = maker.provenance
                return try ClusterProcess(
                    models: [pipeline], address: shared.address, blobs: shared.blobs,
                    folder: WorkFolder(path: folder, isPrivate: false), options: options, serving: serving,
                    computes: false,
                    logger: logger
                ).engine
            }, owner
        )
    }

    private static func show(_ state: BatchProgress.Snapshot, on bar: ProgressLine) {
        let rates = state.stages.map { String(format: "%@ %.1f/s", $0.name, $0.perSecond) }
        let failed = state.failed > 0 ? ["\(state.failed) failed"] : []
        bar.show(
            done: state.done + state.kept + state.failed, of: state.total,
            (failed + rates).joined(separator: "  "), secondsLeft: state.secondsLeft)
    }

    private static func text(_ summary: BatchSummary, _ folder: String) -> String {
        var lines = [
            "\(folder): \(summary.made) made, \(summary.kept) there before, \(summary.failed.count) failed, in "
                + TimeText.of(seconds: summary.seconds)
                + (summary.made > 0 ? String(format: " (%.2f files/s)", Double(summary.made) / summary.seconds) : "")
        ]
        for stage in summary.stages {
            let what = stage.name.padded(18)
            lines.append(
                String(format: "  %@ %6d in %7.1f s, %7.1f/s", what, stage.count, stage.seconds, stage.perSecond))
        }
        return lines.joined(separator: "\n")
    }

    // MARK: Verifying

    private func remake(_ verification: BatchVerification, _ logger: Logger) async throws {
        let bar = ProgressLine()
        let seen = Mutex(0)
        let results = try await verification.run(logger: logger) { result, count in
            bar.show(
                done: seen.withLock {
                    $0 += 1; return $0
                }, of: count, "made again")
            if let fault = result.fault { Console.current.complain("\(result.file): \(fault)") }
        }
        bar.finish()
        let wrong = results.filter { $0.fault != nil }.count
        Console.current.result(
            "\(results.count) files made again: \(results.count - wrong) with the same bytes, \(wrong) not")
        if wrong > 0 { throw ExitCode(1) }
    }
}

extension PictureFormat: ExpressibleByArgument {}
extension Shard: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension VideoOptions.Codec: ExpressibleByArgument {}
extension VideoOptions.PixelFormat: ExpressibleByArgument {}
