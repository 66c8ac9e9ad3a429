import Tensor
import Weights

/// Checks of an `AutoencoderKL`: whole decodes and encodes, single modules, the scale of its latents.
struct AutoencoderKLChecks {
    private let reader: WeightReader
    private let vae: AutoencoderKL
    private let compute: Compute
    /// Maps the diffusion's latents `[C', 1, h', w']` to the decoder's `[1, h, w, C]`.
    private let denormalised: (Tensor) -> Tensor
    /// Maps the encoder's latents `[C, 1, h, w]` to the diffusion's `[C', 1, h', w']`.
    private let normalised: (Tensor) -> Tensor

    init(folder: String, compute: Compute) throws {
        let reader = WeightReader(try Checkpoint(folder: "\(folder)/vae"))
        let vae = try AutoencoderKL(
            reader, config: try AutoencoderKLConfig.read("\(folder)/vae/config.json"), compute: compute)
        (self.reader, self.vae, self.compute) = (reader, vae, compute)
        (denormalised, normalised) = (vae.denormalised, vae.normalised)
    }

    /// Checks of an `AutoencoderKLFlux2`, whose latents are packed where they are diffused.
    init(flux2 folder: String, compute: Compute) throws {
        let reader = WeightReader(try Checkpoint(folder: "\(folder)/vae"))
        let vae = try AutoencoderKLFlux2(
            reader, config: try AutoencoderKLFlux2Config.read("\(folder)/vae/config.json"), compute: compute)
        (self.reader, self.vae, self.compute) = (reader, vae.networks, compute)
        let side = AutoencoderKLFlux2.patch
        denormalised = { vae.denormalised(unpacked($0, by: side)) }
        normalised = { packed(vae.normalised($0), by: side) }
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "vae_latent_norm":
            return [
                "denormalised": .tensor(channelsFirst(denormalised(frame(try check.input("latents"))))),
                "normalised": .tensor(normalised(frame(try check.input("raw")))),
            ]
        case let name where name.hasPrefix("vae_part_"):
            return ["y": .tensor(channelsFirst(try part(check, channelsLast(frame(try check.input("x"))))))]
        case let name where name.hasPrefix("vae_decode_"): return try decode(check)
        case let name where name.hasPrefix("vae_encode_"): return try encode(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    /// `[1, C, H, W]` -> `[C, 1, H, W]`.
    private func frame(_ x: Tensor) -> Tensor { x.reshaped([x.shape[1], 1, x.shape[2], x.shape[3]]) }

    /// The module that the check names, on x `[1, H, W, C]`.
    private func part(_ check: GoldenCheck, _ x: Tensor) throws -> Tensor {
        let path: String = try check.parameter("module")
        let module = reader.scope(path)
        let channels = x.shape[3]
        switch check.name {
        case "vae_part_attention":
            return try AutoencoderKLAttention(module, channels: channels, config: vae.config, compute: compute)(x)
        case "vae_part_upsample", "vae_part_downsample":
            let sampler: AutoencoderKLLevel.Sampler = check.name == "vae_part_upsample" ? .upsamplers : .downsamplers
            let convolution = try module.convolution("conv", inputs: channels, outputs: channels, kernel: [3, 3])
            return compute.convolve(x, convolution, sampler.plan)
        case "vae_part_resnet", "vae_part_resnet_small":
            let outputs = check.outputs["y"]?.shape[1] ?? channels
            return try AutoencoderKLResidualBlock(
                module, inputs: channels, outputs: outputs, config: vae.config, compute: compute)(x)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private func decode(_ check: GoldenCheck) throws -> [String: Computed] {
        let latents = denormalised(frame(try check.input("latents_normalised")))
        var frames: [Tensor] = []
        try vae.pictures(of: latents) { frames.append($0) }
        let picture = Tensor.concatenate(frames)
        return [
            "latents": .tensor(channelsFirst(latents)), "sample": .tensor(channelsFirst(picture)),
            "image": .tensor(unitRange(picture)),
        ]
    }

    private func encode(_ check: GoldenCheck) throws -> [String: Computed] {
        let moments = try vae.encode(channelsLast(frame(try check.input("sample"))))
        let mean = moments.slice(0..<vae.config.latentChannels)
        let logVariance = moments.slice(vae.config.latentChannels..<2 * vae.config.latentChannels)
        return [
            "moments": .tensor(moments), "mode": .tensor(mean),
            "logvar": .tensor(Tensor(logVariance.array.map { min(max($0, -30), 20) }, shape: logVariance.shape)),
            "latents_normalised": .tensor(normalised(mean)),
        ]
    }
}

/// Pixels in [-1, 1] as pixels in [0, 1], clamped.
func unitRange(_ x: Tensor) -> Tensor {
    Tensor(x.array.map { min(max($0 / 2 + 0.5, 0), 1) }, shape: x.shape)
}
