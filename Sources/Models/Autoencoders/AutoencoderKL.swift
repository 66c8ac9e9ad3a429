import Tensor
import Weights

/// The autoencoder of pictures that Stable Diffusion, SDXL, FLUX.1 and Z-Image have, at different widths.
/// Reference: `AutoencoderKL` in diffusers' autoencoder_kl.py.
///
/// Inside, pictures are channels-last `[1, H, W, C]`. Pictures are coded one at a time: its norms look at a whole picture.
package struct AutoencoderKL: Sendable {
    package let config: AutoencoderKLConfig
    package let encoder: AutoencoderKLEncoder
    package let decoder: AutoencoderKLDecoder

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: AutoencoderKLConfig, compute: Compute) throws(WeightError) {
        self.config = config
        encoder = try AutoencoderKLEncoder(reader, config: config, compute: compute)
        decoder = try AutoencoderKLDecoder(reader, config: config, compute: compute)
    }

    /// Decodes latents `[C, F, h, w]` of the diffusion's scale and hands on pictures `[1, H, W, 3]` in [-1, 1] (not clamped) as
    /// they are ready, one for each of the F.
    ///
    /// - Parameter interrupt: called before each residual block of each picture; throwing ends the decode.
    package func decode(
        _ latents: Tensor, interrupt: () throws -> Void = {}, onFrames: (Tensor) throws -> Void
    ) throws {
        try pictures(of: denormalised(latents), interrupt: interrupt, onFrames: onFrames)
    }

    /// Decodes latents `[F, h, w, C]` of the autoencoder's own scale; see `decode`.
    package func pictures(
        of z: Tensor, interrupt: () throws -> Void = {}, onFrames: (Tensor) throws -> Void
    ) throws {
        for frame in 0..<z.shape[0] {
            try onFrames(decoder.picture(of: z.slice(frame..<frame + 1), interrupt: interrupt))
        }
    }

    /// The moments of pictures `[F, H, W, 3]` in [-1, 1]: `[2 C, F, h, w]` on the autoencoder's own scale, the means first,
    /// then the logarithms of the variances.
    package func encode(_ frames: Tensor, interrupt: () throws -> Void = {}) throws -> Tensor {
        let moments = try (0..<frames.shape[0]).map {
            try encoder.moments(of: frames.slice($0..<$0 + 1), interrupt: interrupt)
        }
        return channelsFirst(Tensor.concatenate(moments))
    }

    /// Diffusion latents `[C, F, h, w]` -> the autoencoder's `[F, h, w, C]`: z / scaling + shift.
    package func denormalised(_ latents: Tensor) -> Tensor {
        let (channels, area) = (latents.shape[0], latents.count / latents.shape[0])
        return Tensor(shape: Array(latents.shape.dropFirst()) + [channels]) { out in
            latents.withUnsafe { z in
                for c in 0..<channels {
                    for place in 0..<area {
                        out[place * channels + c] = z[c * area + place] / config.scalingFactor + config.shiftFactor
                    }
                }
            }
        }
    }

    /// The autoencoder's latents, of any layout, on the diffusion's scale: (z - shift) * scaling.
    package func normalised(_ latents: Tensor) -> Tensor {
        Tensor(shape: latents.shape) { out in
            latents.withUnsafe { z in
                for index in out.indices { out[index] = (z[index] - config.shiftFactor) * config.scalingFactor }
            }
        }
    }
}

extension AutoencoderKL: Autoencoder {
    package var channels: Int { config.latentChannels }
    package var spatialFactor: Int { config.spatialFactor }
    package var temporalFactor: Int { config.temporalFactor }

    package func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        normalised(try encode(frames, interrupt: interrupt).slice(0..<config.latentChannels))
    }

    /// What a file is if it holds this autoencoder, of whatever family.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: AutoencoderKLKeys.vae).tensors
        guard let input = tensors["decoder.conv_in.weight"], input.shape.count == 4,
            tensors["decoder.up_blocks.0.resnets.0.norm1.weight"] != nil,
            tensors["encoder.down_blocks.0.resnets.0.norm1.weight"] != nil,
            // Latents with a scale for each channel are another autoencoder's.
            tensors[AutoencoderKLFlux2.meanKey] == nil
        else { return nil }
        return FileIdentity(
            .vae, "picture autoencoder (AutoencoderKL), \(input.shape[1]) latent channels",
            architecture: "autoencoder_kl", keys: AutoencoderKLKeys.vae
        ) { reader, compute in
            _ = try AutoencoderKL(reader, config: try AutoencoderKLConfig.of(reader.checkpoint), compute: compute)
        }
    }
}
