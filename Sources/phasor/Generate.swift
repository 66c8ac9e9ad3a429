import ArgumentParser
import Diffusion
import Foundation
import Media
import Pipelines
import Serving
import Tensor
import Weights

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a picture (PNG) or a clip (MP4) from a prompt.",
        discussion: """
            The ending of --output decides: .png for a picture, .mp4 for a clip. The same seed and settings give the \
            same bytes, for any number of threads.

              phasor generate "a red balloon on a blue background" -o out.png
              phasor generate "a dog bounces to the left" --frames 17 -o out.mp4
              phasor generate "a dog <lora:ink:0.8>" --loras DIR -o out.png
            """)

    @Argument(help: "What to show.")
    var prompt: String

    @Option(name: .shortAndLong, help: "The file to write, .png or .mp4.")
    var output: String

    @Option(help: "A model folder (default: the embedded model).")
    var model: String?

    @Option(help: ArgumentHelp("Pixels; the default is the model's.", valueName: "WxH"))
    var size: String?

    @Option(help: "Frames of a clip, 4k + 1 for Wan (default: the model's for .mp4).")
    var frames: Int?

    @Option(help: "Frames a second of a clip (default: the model's).")
    var fps: Int?

    @Option(help: "Where the noise begins.")
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

    @Option(help: "Constant rate factor of H.264: less is better and larger.")
    var crf: Int?

    @Option(help: "x264 preset, superfast to veryslow.")
    var preset: String?

    @Option(help: "Also write the initial and the final latent to this safetensors file.")
    var latents: String?

    @OptionGroup var options: ModelOptions

    func run() throws {
        let isClip = try outputIsClip()
        let pipeline = try options.openPipeline(model, compute: options.makeCompute())
        let request = try request(for: pipeline, isClip: isClip)

        var times = StageTimes()
        let bar = ProgressLine()
        var run = try Run(request.parameters(), of: pipeline, loras: request.settleLoRAs(for: pipeline))
        let initial = run.generation.latent
        var last = initial
        var observer = RunObserver()
        observer.onStage = { stage in
            if stage == .steps { times.end("text") } else { bar.show(stage == .text ? "text" : "decoding") }
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
        let metadata = FileMetadata.text(request, image: 0, ran: RunRecord(of: run))
        let ran = try isClip
            ? writeClip(&run, observer, request, metadata) : writePicture(&run, observer, metadata)
        times.end("decoding")
        if let latents {
            try SafetensorsWriter.write(
                [("initial", initial), ("final", last)],
                metadata: ["prompt": prompt, "seed": "\(seed)"], to: latents)
        }
        bar.finish()
        print(
            "\(output): \(request.width)x\(request.height), \(request.frames) frame\(request.frames == 1 ? "" : "s"), "
                + "seed \(seed), NFE \(ran.nfe), \(String(format: "%.2f", times.total)) s")
        print("  \(times.description)")
        if let tally = pipeline.residency.report?.tally {
            print(
                String(
                    format: "  weights: %.2f GB read, at most %.2f GB at once, %.2f s waited for",
                    Double(tally.bytesRead) / 1e9, Double(tally.peakBytes) / 1e9, tally.stallSeconds))
        }
    }

    // MARK: Arguments

    private func outputIsClip() throws -> Bool {
        switch URL(fileURLWithPath: output).pathExtension.lowercased() {
        case "png": return false
        case "mp4": return true
        default: throw ValidationError("--output must end in .png or .mp4, not \"\(output)\"")
        }
    }

    /// The same request, and so the same checks and the same file, as over HTTP.
    private func request(for pipeline: Pipeline, isClip: Bool) throws -> GenerationRequest {
        let sizes = pipeline.sizes
        let (width, height) = try PixelSize.parse(size, default: (sizes.defaultWidth, sizes.defaultHeight))
        let tags = try LoRATags(prompt)
        let request = GenerationRequest(
            kind: isClip ? .video : .image, prompt: tags.prompt,
            negativePrompt: negativePrompt, model: pipeline.id, generator: generator,
            width: width, height: height, frames: frames ?? (isClip ? pipeline.sizes.defaultFrames : 1),
            fps: fps ?? pipeline.sizes.defaultFPS, seed: seed, steps: steps, guidanceScale: guidanceScale,
            guidanceScale2: guidanceScale2, loras: tags.loras, crf: crf, preset: preset)
        _ = try request.validate(for: pipeline)
        return request
    }

    // MARK: Output

    private func writePicture(
        _ run: inout Run, _ observer: RunObserver, _ metadata: String
    ) throws -> RunRecord {
        try run.finish(observer) { frames in
            guard let image = try frames.images().first else { return }
            let png = try PNG.encode(image, text: [(FileMetadata.keyword, metadata)])
            try Data(png).write(to: URL(fileURLWithPath: output), options: .atomic)
        }
    }

    /// Frames go to the encoder as they are decoded; the file takes its name when it is whole.
    private func writeClip(
        _ run: inout Run, _ observer: RunObserver, _ request: GenerationRequest, _ metadata: String
    ) throws -> RunRecord {
        let partial = output + ".part"
        let encoder = try MP4Encoder(
            path: partial, width: request.width, height: request.height,
            options: request.videoOptions(comment: metadata))
        do {
            let ran = try run.finish(observer) { frames in
                for image in try frames.images() { try encoder.append(image) }
            }
            try encoder.finish()
            try rename(partial, to: output)
            return ran
        } catch {
            try? FileManager.default.removeItem(atPath: partial)
            throw error
        }
    }

    /// `rename(2)`: the file appears at once and whole, also over an older one.
    private func rename(_ path: String, to target: String) throws {
        guard Foundation.rename(path, target) == 0 else {
            throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: target])
        }
    }
}
