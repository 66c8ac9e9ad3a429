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

    @Option(help: ArgumentHelp("Pixels; the default is the model's.", valueName: "WxH"))
    var size: String?

    @Option(help: "Frames of a clip, 4k + 1 for Wan (default: the model's for .mp4).")
    var frames: Int?

    @Option(help: "Frames a second of a clip (default: the model's).")
    var fps: Int?

    @Option(help: "Where the noise begins: 0 or any whole number above it.")
    var seed: UInt64 = 0

    @Option(help: "A generator of the model: student, teacher, ... (default: the model's).")
    var generator: String?

    @Option(help: "Denoising steps (default: the generator's).")
    var steps: Int?

    @Option(help: "Guidance of the first phase, the high-noise expert (default: the generator's).")
    var guidanceScale: Float?

    @Option(name: .customLong("guidance-scale-2"), help: "Guidance of the phases after the first.")
    var guidanceScale2: Float?

    @Option(help: "What not to show; used where guidance is on.")
    var negativePrompt: String?

    @Option(
        help: ArgumentHelp(
            "A picture to edit, or the first frame of a clip: PNG, JPEG or WebP.", valueName: "file"),
        completion: .file(), transform: HomeFolder.expand)
    var image: String?

    @Option(
        help: ArgumentHelp("The last frame of a clip.", valueName: "file"), completion: .file(),
        transform: HomeFolder.expand)
    var lastImage: String?

    @Option(
        help: ArgumentHelp("Pictures for the model to look at; may be given more than once.", valueName: "file"),
        completion: .file(), transform: HomeFolder.expand)
    var reference: [String] = []

    @Option(help: "crop, pad or stretch: what becomes of a picture of another aspect (default: crop).")
    var fit: PictureFit?

    @Option(help: "How far --image is changed, from 0 to 1, by a model of text to image (default: 0.75).")
    var strength: Float?

    @Option(help: "full or tiny: what makes pictures of latents (default: the VAE; tiny takes --preview-vae FILE).")
    var decoder: LatentDecoder?

    @Option(help: "Constant rate factor of H.264: less is better and larger.")
    var crf: Int?

    @Option(help: "x264 preset, superfast to veryslow.")
    var preset: String?

    @Option(help: "Quality of a JPEG or WebP, 0 to 100: less is smaller and worse (default: 100).")
    var outputCompression: Int?

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
        let given = try GivenFiles(image: image, lastImage: lastImage, references: reference, for: pipeline)
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
        let notes = FileNotes(
            parameters: FileMetadata.text(request, image: 0, ran: RunRecord(of: run)),
            provenance: Provenance(provenance.generator, of: request))
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
        let given = [("--fps", fps.map { "\($0)" }), ("--crf", crf.map { "\($0)" }), ("--preset", preset)]
        for case (let flag, let value?) in given where !isClip {
            throw ValidationError("\(flag) \(value): it is for clips, and this makes a picture; name a file in .mp4")
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
        return request
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
