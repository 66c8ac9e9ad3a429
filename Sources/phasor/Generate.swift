import ArgumentParser
import Diffusion
import Foundation
import Jobs
import Media
import Pictures
import Pipelines
import Tensor
import Weights

struct Generate: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a picture (PNG, JPEG, WebP) or a clip (MP4) from a prompt.",
        discussion: """
            The ending of --output decides: .png, .jpg or .webp for a picture, .mp4 for a clip. Without --output the file \
            is called after prompt and seed, and --frames make it a clip. The same seed and settings give the same bytes, for any \
            number of threads.

              phasor generate "a red balloon on a blue background"
              phasor generate "a dog bounces to the left" --frames 17 -o out.mp4
              phasor generate "a red balloon" -o - | display
              phasor generate "a dog <lora:ink:0.8>" --loras DIR -o out.png
            """)

    @Argument(help: "What to show.")
    var prompt: String

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The file to write, .png, .jpg, .webp or .mp4, or - for standard output (default: PROMPT-SEED.png, or .mp4 with "
                + "--frames).",
            valueName: "file"), completion: .file(extensions: FileType.allCases.map(\.rawValue)),
        transform: HomeFolder.expand)
    var output: String?

    @Option(help: "A model folder (default: the embedded model).", completion: .directory, transform: HomeFolder.expand)
    var model: String?

    @Option(RequestFields.size) var size: String?
    @Option(RequestFields.frames) var frames: Int?
    @Option(RequestFields.fps) var fps: Int?
    @Option(RequestFields.seed) var seed: UInt64 = 0
    @Option(RequestFields.generator) var generator: String?
    @Option(RequestFields.stepCount) var steps: Int?
    @Option(RequestFields.guidanceScale) var guidanceScale: Float?
    @Option(RequestFields.guidanceScale2) var guidanceScale2: Float?
    @Option(RequestFields.negativePrompt) var negativePrompt: String?
    @Option(RequestFields.image) var image: [String] = []
    @Option(RequestFields.lastImage) var lastImage: String?
    @Option(RequestFields.images) var reference: [String] = []
    @Option(RequestFields.fit) var fit: PictureFit?
    @Option(RequestFields.strength) var strength: Float?
    @Option(RequestFields.decoder) var decoder: LatentDecoder?
    @Option(RequestFields.crf) var crf: Int?
    @Option(RequestFields.preset) var preset: String?
    @Option(RequestFields.outputCompression) var outputCompression: Int?

    @OptionGroup var provenance: ProvenanceOptions

    @Option(
        help: ArgumentHelp(
            "Also write the initial and the final latent to this safetensors file.", valueName: "file"),
        completion: .file(extensions: ["safetensors"]), transform: HomeFolder.expand)
    var latents: String?

    @OptionGroup var speech: SpeechOptions
    @OptionGroup var options: ModelOptions

    var isOutputData: Bool { output == "-" || latents == "-" }

    func validate() throws {
        guard output != "-" || latents != "-" else {
            throw ValidationError("--output - and --latents -: only one of them can go to standard output")
        }
        let tags: LoRATags
        do throws(ServingError) {
            tags = try LoRATags(prompt)
        } catch {
            throw error.asArgument
        }
        guard !tags.prompt.unicodeScalars.allSatisfy(\.properties.isWhitespace) else {
            throw ValidationError(
                "the prompt is empty: say what to show, such as \"a red balloon on a blue background\"")
        }
    }

    func run() throws {
        let output = try GenerateOutput(output, prompt: prompt, seed: seed, frames: frames)
        let isClip = output.type == .mp4
        try requireNoClipOptions(unless: isClip)
        let latents = try latents.map { try OutputFile($0) }
        let pipeline = try options.openPipeline(model, compute: options.makeCompute())
        let given = try GivenFiles(
            image: image, lastImage: lastImage, references: reference, hasStrength: strength != nil, for: pipeline)
        let request = try request(for: pipeline, given, output.type)

        var times = StageTimes()
        let bar = ProgressLine()
        var run = try Run(
            request.parameters(pictures: given.pictures(fit: fit ?? .crop)), of: pipeline,
            loras: request.settleLoRAs(for: pipeline))
        let initial = run.generation.latent
        var last = initial
        var observer = RunObserver()
        observer.onStage = { stage in
            if stage == .steps {
                times.end("text")
            } else {
                bar.show(stage == .picture ? "picture" : stage == .text ? "text" : "decoding")
            }
        }
        let steps = run.generation.schedule.count
        observer.beforeStep = { step, sigma, phase in
            let sigma = String(format: "%.3f", sigma)
            bar.show(step: step, of: steps, "sigma \(sigma)  phase \(phase.name)  expert \(phase.expert)")
        }
        observer.onStep = { _, run, _ in
            times.end("steps")
            last = run.generation.latent
        }
        let notes = FileNotes(request, image: 0, ran: RunRecord(of: run), generator: provenance.generator)
        let ran =
            try isClip
            ? writeClip(&run, observer, request, notes, to: output.file)
            : writePicture(&run, observer, request, notes, to: output.file)
        times.end("decoding")
        if let latents {
            try latents.whole { path in
                try SafetensorsWriter.write(
                    [("initial", initial), ("final", last)],
                    metadata: ["prompt": prompt, "seed": "\(seed)"], to: path)
            }
        }
        bar.finish()
        let console = Console.current
        console.result(
            "\(output.file.name): \(request.width)x\(request.height), \(request.frames) frame\(request.frames == 1 ? "" : "s"), "
                + "seed \(seed), NFE \(ran.nfe), \(String(format: "%.2f", times.total)) s")
        console.result("  \(times.description)")
        if let sigma = ran.sigmas.first, request.isChangeByStrength(of: pipeline) {
            let strength = request.strength ?? GenerationParameters.defaultStrength
            console.result(String(format: "  strength %.2f: begun at sigma %.2f, the nearest step", strength, sigma))
        }
        if let tally = pipeline.residency.report?.tally {
            console.result(
                String(
                    format: "  weights: %.2f GB read, at most %.2f GB at once, %.2f s waited for",
                    Double(tally.bytesRead) / 1e9, Double(tally.peakBytes) / 1e9, tally.stallSeconds))
        }
    }

    // MARK: Arguments

    /// An option that would do nothing is a mistake of whoever gave it.
    private func requireNoClipOptions(unless isClip: Bool) throws {
        let given = [
            (RequestFields.fps, fps.map { "\($0)" }), (RequestFields.crf, crf.map { "\($0)" }),
            (RequestFields.preset, preset),
        ]
        for case (let field, let value?) in given where !isClip {
            throw ValidationError(
                "\(field.flag(of: .generate)) \(value): it is for clips, and this makes a picture; name a file in .mp4")
        }
    }

    /// The same request, and so the same checks and the same file, as over HTTP.
    private func request(for pipeline: Pipeline, _ given: GivenFiles, _ type: FileType) throws -> GenerationRequest {
        let isClip = type == .mp4
        let (width, height) = try SizeArgument.parse(size, default: given.usualSize(of: pipeline))
        let tags = try LoRATags(prompt)
        var request = GenerationRequest(
            kind: isClip ? .video : .image, prompt: tags.prompt,
            negativePrompt: negativePrompt, model: pipeline.id, generator: generator,
            width: width, height: height, frames: frames ?? (isClip ? pipeline.sizes.defaultFrames : 1),
            fps: fps ?? pipeline.sizes.defaultFPS, seed: seed, steps: steps, guidanceScale: guidanceScale,
            guidanceScale2: guidanceScale2, loras: tags.loras, crf: crf, preset: preset)
        given.name(in: &request)
        (request.fit, request.strength, request.decoder) = (fit, strength, decoder)
        (request.outputFormat, request.outputCompression) = (type.picture, outputCompression)
        _ = try request.validate(for: pipeline)
        try request.validateReferences(of: given.referenceSizes, for: pipeline)
        return try request.settled(for: pipeline)
    }

    // MARK: Output

    private func writePicture(
        _ run: inout Run, _ observer: RunObserver, _ request: GenerationRequest, _ notes: FileNotes, to file: OutputFile
    ) throws -> RunRecord {
        try run.finish(observer) { frames in
            guard let image = try frames.images().first else { return }
            try file.write(request.file(of: image, notes))
        }
    }

    /// Frames go to the encoder as they are decoded; the file takes its name when it is whole.
    private func writeClip(
        _ run: inout Run, _ observer: RunObserver, _ request: GenerationRequest, _ notes: FileNotes, to file: OutputFile
    ) throws -> RunRecord {
        try file.whole { path in
            let encoder = try MP4Encoder(
                path: path, width: request.width, height: request.height,
                options: request.videoOptions(notes))
            let ran = try run.finish(observer) { frames in
                for image in try frames.images() { try encoder.append(image) }
            }
            try encoder.finish()
            return ran
        }
    }
}
