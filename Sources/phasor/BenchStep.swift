import ArgumentParser
import Benchmarks
import Foundation
import Models
import Tensor
import Weights

struct BenchStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "Measure one forward pass of an expert and one VAE decode.",
        discussion: """
            MODEL is a folder with transformer/ and vae/ in diffusers layout; nothing else in it is read. --expert and \
            --vae name files that are read in place of those there. The text is 256 zero rows, one forward pass a step, \
            guidance off: the same work as in a plain loop over the network.
            """)

    @Option(help: "A folder with transformer/ and vae/.")
    var model: String

    @Option(help: "A file with other weights of the transformer, e.g. what `phasor quantize` wrote.")
    var expert: String?

    @Option(help: "A file with other weights of the VAE; the folder then needs none.")
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
        let vaeDecodeSeconds: Double
        let peakRSSBytes: Int
        let shareOfBF16Peak: Double
        let stepActivationBytes: Activations
        let vaeActivationBytes: Activations

        enum CodingKeys: String, CodingKey {
            case secondsPerStep = "seconds_per_step"
            case vaeDecodeSeconds = "vae_decode_seconds"
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

    func run() throws {
        let sides = size.lowercased().split(separator: "x").compactMap { Int($0) }
        guard sides.count == 2 else { throw ValidationError("--size is \(size), expected WIDTHxHEIGHT") }
        let compute = Compute(threads: threading.count, precision: precision)
        let peakBefore = MachinePeaks(compute).bf16
        // What that took is no part of a step's memory.
        Arena.shared.giveBack(keeping: 0)
        let config = try WanTransformerConfig.read("\(model)/transformer/config.json")
        let vaeWeights = try Checkpoint(path: vae ?? "\(model)/vae").renamed(by: WanKeys.vae)
        let vaeConfig = try WanVAEConfig.of(vaeWeights)
        guard vaeConfig.zDim == config.inChannels else {
            throw ValidationError(
                "the VAE has \(vaeConfig.zDim) channels (z_dim), the transformer works on \(config.inChannels)")
        }
        let multiple = vaeConfig.spatialFactor * max(config.patch[1], config.patch[2])
        guard sides.allSatisfy({ $0 > 0 && $0 % multiple == 0 }), frames > 0,
            (frames - 1) % vaeConfig.temporalFactor == 0
        else {
            throw ValidationError("sides must be multiples of \(multiple), frames \(vaeConfig.temporalFactor)k + 1")
        }
        let shape = [
            config.inChannels, (frames - 1) / vaeConfig.temporalFactor + 1, sides[1] / vaeConfig.spatialFactor,
            sides[0] / vaeConfig.spatialFactor,
        ]
        let noise = Tensor((0..<shape.reduce(1, *)).map { sinf(Float($0)) }, shape: shape)

        let (step, stepActivations) = try forwardSeconds(config, noise, compute)
        print(String(format: "%8.3f s per step (%@), %@", step, precision.rawValue, stepActivations.text))
        // Whichever is higher: just started threads may share a core for a while.
        let peak = max(peakBefore, MachinePeaks(compute).bf16)
        let tokens = shape[1] * shape[2] * shape[3] / config.patch.reduce(1, *)
        let share = Self.work(config, tokens: tokens, text: 256) / step / (peak * 1e9)
        print(String(format: "%8.1f %% of the bf16 peak, %.0f GF/s", share * 100, peak))
        Arena.shared.giveBack(keeping: 0)
        let (decode, decodeActivations) = try decodeSeconds(vaeWeights, vaeConfig, noise, compute.unquantized)
        print(String(format: "%8.3f s VAE decode, %@", decode, decodeActivations.text))
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let rss = usage.ru_maxrss * 1024
        print(String(format: "%8.0f MB peak RSS", Double(rss) / 1e6))
        try measuring.write(
            Report(
                secondsPerStep: step, vaeDecodeSeconds: decode, peakRSSBytes: rss, shareOfBF16Peak: share,
                stepActivationBytes: stepActivations, vaeActivationBytes: decodeActivations))
    }

    /// The median after one pass that is not counted: it reads the weights.
    private func forwardSeconds(
        _ config: WanTransformerConfig, _ noise: Tensor, _ compute: Compute
    ) throws -> (Double, Activations) {
        let reader = WeightReader(
            try Checkpoint(path: expert ?? "\(model)/transformer").renamed(by: WanKeys.transformer))
        let network = try WanTransformer(reader, config: config, compute: compute)
        let text = TextEmbedding(rows: Tensor(zeros: [256, config.textDim]), paddedLength: 256)
        let latents = noise.reshaped([1] + noise.shape)
        func pass(_ context: WanTextContext, _ round: Int) throws {
            _ = try network.forward(latents: latents, timesteps: [Float(900 - round)], contexts: [context])
        }
        let plan = try MemoryPlan.of { try pass(network.context(text), 0) }
        let (bytes, seconds) = try Arena.shared.growth {
            let context = network.context(text)
            return try (0...rounds).map { round in try Self.seconds { try pass(context, round) } }
        }
        return (
            seconds.dropFirst().sorted()[rounds / 2], Activations(predicted: plan.peakExtent, measured: bytes)
        )
    }

    private func decodeSeconds(
        _ weights: Checkpoint, _ config: WanVAEConfig, _ latent: Tensor, _ compute: Compute
    ) throws -> (Double, Activations) {
        let vae = try WanVAE(WeightReader(weights), config: config, compute: compute)
        let plan = try MemoryPlan.of { try vae.decode(latent) { _ in } }
        let (bytes, seconds) = try Arena.shared.growth { try Self.seconds { try vae.decode(latent) { _ in } } }
        return (seconds, Activations(predicted: plan.peakExtent, measured: bytes))
    }

    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        try body()
        return start.duration(to: clock.now) / .seconds(1)
    }

    /// Floating-point operations of a forward pass: products and attention, two for each multiply-add.
    private static func work(_ config: WanTransformerConfig, tokens: Int, text: Int) -> Double {
        let (t, n, d, f) = (Double(tokens), Double(text), Double(config.dim), Double(config.ffnDim))
        let projections = 2 * t * d * d * 6 + 4 * t * d * f
        let attention = 4 * t * t * d + 4 * t * n * d
        return Double(config.layers) * (projections + attention)
    }
}
