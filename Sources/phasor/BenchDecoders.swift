import ArgumentParser
import Benchmarks
import Foundation
import Pipelines

struct BenchDecoders: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        commandName: "decoders",
        abstract: "Measure a tiny decoder beside the model's VAE: seconds, memory, and what is lost.",
        discussion: """
            Makes a latent of each prompt and seed, decodes each with both, in turn, and says how long that takes and how \
            alike the frames are. The latents are the same, so that all difference is the decoder's.

              phasor bench decoders SDXL --preview-vae taesdxl_decoder.safetensors
              phasor bench decoders Wan2.2-T2V-A14B-Diffusers --preview-vae taew2_1.safetensors --frames 17
            """)

    @Argument(help: "A model folder (default: the embedded model).", transform: HomeFolder.expand)
    var model: String?

    @Option(name: .customLong("prompt"), help: "A prompt; may be repeated (default: one).")
    var prompts: [String] = ["a red balloon over a blue lake"]

    @Option(help: "Seeds for each prompt, 0, 1, ...")
    var seeds = 1

    @Option(help: "A generator of the model (default: the model's).")
    var generator: String?

    @Option(help: "Denoising steps (default: the generator's).")
    var steps: Int?

    @Option(help: ArgumentHelp("Pixels; the default is the model's.", valueName: "WxH"))
    var size: String?

    @Option(help: "Frames.")
    var frames = 1

    @OptionGroup var measuring: BenchOptions
    @OptionGroup var options: ModelOptions

    var speech: SpeechOptions { measuring.speech }
    var isOutputData: Bool { measuring.json == "-" }

    func validate() throws {
        guard 1...1000 ~= seeds else { throw ValidationError("--seeds \(seeds): it must be 1...1000") }
        guard options.previewVAE != nil else {
            throw ValidationError("--preview-vae FILE: say which tiny decoder to measure")
        }
    }

    func run() throws {
        let pipeline = try options.openPipeline(model, compute: options.makeCompute())
        guard pipeline.decoders.count > 1 else {
            throw ValidationError("--vae: it is a tiny autoencoder as well; give the large one to compare with")
        }
        let sizes = pipeline.sizes
        let (width, height) = try SizeArgument.parse(size, default: (sizes.defaultWidth, sizes.defaultHeight))
        if let reason = sizes.refusal(width: width, height: height) { throw ValidationError("--size: \(reason)") }
        if let reason = sizes.refusal(frames: frames) { throw ValidationError("--frames \(frames): it \(reason)") }
        let pictures =
            pipeline.traits.pictures.first == .required
            ? try pipeline.greyPictures(width: width, height: height, frames: frames) : .init()
        let wanted = prompts.flatMap { prompt in
            (0..<UInt64(seeds)).map { seed in
                GenerationParameters(
                    prompt: prompt, width: width, height: height, frames: frames, seed: seed, generator: generator,
                    steps: steps, pictures: pictures)
            }
        }
        let bar = ProgressLine()
        let report = try DecoderBenchmark(model: pipeline, rounds: measuring.rounds ?? 3).run(wanted) { done in
            bar.show(step: done, of: wanted.count, "latent")
        }
        bar.finish()
        Console.current.result(report.text)
        try measuring.write(report)
    }
}
