import Tensor
import Weights

/// Checks of an `AutoencoderDC`: whole decodes and encodes, single modules, the scale of its latents.
struct AutoencoderDCChecks {
    private let reader: WeightReader
    private let vae: AutoencoderDC
    private let compute: Compute

    init(folder: String, compute: Compute) throws {
        self.compute = compute
        reader = WeightReader(try Checkpoint(folder: "\(folder)/vae"))
        vae = try AutoencoderDC(
            reader, config: try AutoencoderDCConfig.read("\(folder)/vae/config.json"), compute: compute)
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "vae_latent_norm":
            return [
                "denormalised": .tensor(vae.denormalised(try check.input("latents"))),
                "normalised": .tensor(vae.normalised(try check.input("raw"))),
            ]
        case let name where name.hasPrefix("vae_part_"):
            return ["y": .tensor(channelsFirst(try part(check, cells(check, "x"))))]
        case let name where name.hasPrefix("vae_decode_"):
            let latents = vae.denormalised(try check.input("latents_normalised"))
            let picture = try vae.decoder.picture(of: channelsLast(frame(latents)))
            return [
                "latents": .tensor(latents), "sample": .tensor(channelsFirst(picture)),
                "image": .tensor(unitRange(picture)),
            ]
        case let name where name.hasPrefix("vae_encode_"):
            let latent = channelsFirst(try vae.encoder.latent(of: cells(check, "sample")))
            return ["latent": .tensor(latent), "latents_normalised": .tensor(vae.normalised(latent))]
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    /// `[1, C, H, W]` -> `[C, 1, H, W]`.
    private func frame(_ x: Tensor) -> Tensor { x.reshaped([x.shape[1], 1, x.shape[2], x.shape[3]]) }

    /// `[1, C, H, W]` -> `[1, H, W, C]`.
    private func cells(_ check: GoldenCheck, _ name: String) throws -> Tensor {
        channelsLast(frame(try check.input(name)))
    }

    /// The module that the check names, on x `[1, H, W, C]`.
    private func part(_ check: GoldenCheck, _ x: Tensor) throws -> Tensor {
        let path: String = try check.parameter("module")
        let module = reader.scope(path)
        let (inputs, outputs) = (x.shape[3], check.outputs["y"]?.shape[1] ?? x.shape[3])
        switch check.name {
        case "vae_part_resblock":
            return try AutoencoderDCResidualBlock(module, channels: inputs, config: vae.config, compute: compute)(x)
        case let name where name.hasPrefix("vae_part_attention"):
            // `encoder.down_blocks.3.0.attn`
            guard let level = path.split(separator: ".").compactMap({ Int($0) }).first,
                vae.config.levels.indices.contains(level)
            else { throw VerificationError.unknownCheck(check.name) }
            return try AutoencoderDCAttention(
                module, channels: inputs, scales: vae.config.levels[level].scales, config: vae.config,
                compute: compute)(x)
        case "vae_part_glumbconv":
            return try AutoencoderDCGatedConvolution(module, channels: inputs, config: vae.config, compute: compute)(x)
        case "vae_part_upsample":
            return try AutoencoderDCUp(module, inputs: inputs, outputs: outputs, compute: compute)(x)
        case "vae_part_downsample":
            return try AutoencoderDCDown(module, inputs: inputs, outputs: outputs, compute: compute)(x)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }
}
