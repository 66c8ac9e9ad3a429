import ArgumentParser
import Benchmarks
import Foundation
import Pipelines
import Tensor

struct BenchStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "Measure one forward pass of an expert and one VAE decode.",
        discussion: """
            MODEL is a folder with transformer/ (or unet/) and vae/ in diffusers layout; nothing else in it is read. --expert and \
            --vae name files that are read in place of those there. The text is 256 zero rows, one forward pass a step, \
            guidance off: the same work as in a plain loop over the network.
            """)

    @Option(help: "A folder with transformer/ or unet/, and vae/.", transform: HomeFolder.expand)
    var model: String

    @Option(
        help: "A file with other weights of the network, e.g. what `phasor quantize` wrote.",
        transform: HomeFolder.expand)
    var expert: String?

    @Option(help: "A file with other weights of the VAE; the folder then needs none.", transform: HomeFolder.expand)
    var vae: String?

    @Option(help: ArgumentHelp("Pixels.", valueName: "WxH"))
    var size = "512x512"

    @Option(help: "Frames.")
    var frames = 1

    @Option(help: "What products are computed in: f32, bf16 or int8, as in `phasor generate`.")
    var precision = Precision.bf16

    @OptionGroup var measuring: BenchOptions
    @OptionGroup var threading: ThreadOptions

    private var rounds: Int { measuring.rounds ?? 3 }

    private struct Report: Encodable {
        let secondsPerStep: Double
        /// Of the first decode, which packs the weights, and of the second.
        let vaeDecodeSeconds: Double
        let vaeDecodeAgainSeconds: Double
        let peakRSSBytes: Int
        let shareOfBF16Peak: Double
        let stepActivationBytes: Activations
        let vaeActivationBytes: Activations

        enum CodingKeys: String, CodingKey {
            case secondsPerStep = "seconds_per_step"
            case vaeDecodeSeconds = "vae_decode_seconds"
            case vaeDecodeAgainSeconds = "vae_decode_again_seconds"
            case peakRSSBytes = "peak_rss_bytes"
            case shareOfBF16Peak = "share_of_bf16_peak"
            case stepActivationBytes = "step_activation_bytes"
            case vaeActivationBytes = "vae_activation_bytes"
        }
    }

    /// The most bytes of activations at once.
    private struct Activations: Encodable {
        let predicted: Int
        let measured: Int

        var text: String {
            String(format: "activations %.1f MB, predicted %.1f MB", Double(measured) / 1e6, Double(predicted) / 1e6)
        }
    }

    private static let textRows = 256

    func run() throws {
        let compute = threading.makeCompute(precision)
        let peakBefore = MachinePeaks(compute).bf16
        // What that took is no part of a step's memory.
        Arena.shared.giveBack()
        // The first step is not counted: it reads the weights.
        let pipeline = try Pipeline(
            bare: model, expert: expert, autoencoder: vae, steps: rounds + 1, textRows: Self.textRows, compute: compute)
        let (width, height) = try SizeArgument.parse(size, default: (512, 512))
        if let reason = pipeline.sizes.refusal(width: width, height: height) ?? pipeline.sizes.refusal(frames: frames) {
            throw ValidationError("--size \(size), --frames \(frames): \(reason)")
        }
        let takesPictures = pipeline.traits.pictures.isRequired
        let plan = try pipeline.activationPlan(
            width: width, height: height, frames: frames, tokens: Self.textRows, references: takesPictures ? nil : [])
        var parameters = GenerationParameters(prompt: "", width: width, height: height, frames: frames)
        if takesPictures {
            parameters.pictures = try pipeline.greyPictures(width: width, height: height, frames: frames)
        }
        var run = try Run(parameters, of: pipeline)
        if !run.pictures.isEmpty {
            var alone = [run]
            let began = RunObserver.wall()
            try Run.encodePictures(of: &alone)
            run = alone[0]
            print(String(format: "%8.3f s VAE encode of the pictures", RunObserver.wall() - began))
        }
        try run.encodeTexts { [seen = run.seen] in try pipeline.encode($0, by: $1, seeing: seen) }
        let (stepBytes, steps) = try Arena.shared.growth { try run.finishSteps() }
        let step = steps.dropFirst().map(\.seconds).sorted()[rounds / 2]
        let stepActivations = Activations(predicted: plan.steps, measured: stepBytes)
        print(String(format: "%8.3f s per step (%@), %@", step, precision.rawValue, stepActivations.text))
        // Whichever is higher: others may use the machine, too.
        let peak = max(peakBefore, MachinePeaks(compute).bf16)
        let shape = pipeline.latentShape(width: width, height: height, frames: frames)
        let references = run.generation.inputs.references.reduce(0) { $0 + $1.shape.dropFirst().reduce(1, *) }
        let operations = pipeline.parts.networks[Pipeline.bareName]?
            .operations(latent: shape, textRows: Self.textRows + references)
        let share = (operations ?? 0) / step / (peak * 1e9)
        print(String(format: "%8.1f %% of the bf16 peak, %.0f GF/s", share * 100, peak))
        Arena.shared.giveBack()
        let start = RunObserver.wall()
        let (decodeBytes, _) = try Arena.shared.growth { try run.decode { _ in } }
        let decode = RunObserver.wall() - start
        let decodeActivations = Activations(predicted: plan.decode, measured: decodeBytes)
        print(String(format: "%8.3f s VAE decode, %@", decode, decodeActivations.text))
        let restart = RunObserver.wall()
        try run.decode { _ in }
        let again = RunObserver.wall() - restart
        print(String(format: "%8.3f s once more, its weights packed", again))
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let rss = usage.ru_maxrss * 1024
        print(String(format: "%8.0f MB peak RSS", Double(rss) / 1e6))
        try measuring.write(
            Report(
                secondsPerStep: step, vaeDecodeSeconds: decode, vaeDecodeAgainSeconds: again, peakRSSBytes: rss,
                shareOfBF16Peak: share,
                stepActivationBytes: stepActivations, vaeActivationBytes: decodeActivations))
    }
}
