import Tensor
import Weights

/// The causal 3-D autoencoder of Wan. Reference: `AutoencoderKLWan` in diffusers' autoencoder_kl_wan.py.
///
/// Inside, frames are channels-last `[T, H, W, C]`. Decoding takes one latent frame at a time and keeps two frames of
/// history a layer, so memory does not grow with the length of a clip, and the result equals the whole decode.
package struct WanVAE: Sendable {
    package let config: WanVAEConfig
    package let encoder: WanVAEEncoder
    package let decoder: WanVAEDecoder

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: WanVAEConfig, compute: Compute) throws(WeightError) {
        self.config = config
        encoder = try WanVAEEncoder(reader, config: config, compute: compute)
        decoder = try WanVAEDecoder(reader, config: config, compute: compute)
    }

    /// Decodes latents `[C, F, H, W]` of the diffusion's scale and hands on frames `[T, H', W', 3]` in [-1, 1] (not
    /// clamped) as they are ready: one for the first latent frame, `temporalFactor` for each later one.
    ///
    /// - Parameter interrupt: called before each residual block of each latent frame; throwing ends the decode.
    package func decode(
        _ latents: Tensor, interrupt: () throws -> Void = {}, onFrames: (Tensor) throws -> Void
    ) throws {
        let z = denormalised(latents)
        var history = CausalHistory()
        for frame in 0..<z.shape[0] {
            history.isEnding = frame == z.shape[0] - 1
            try onFrames(decoder.next(z.slice(frame..<frame + 1), &history, interrupt: interrupt))
        }
    }

    /// The moments of frames `[T, H, W, 3]` in [-1, 1], T = 4k + 1: `[2 C, F, H', W']` on the VAE's own scale, the mean
    /// first, then the logarithm of the variance.
    package func encode(_ frames: Tensor, interrupt: () throws -> Void = {}) throws -> Tensor {
        var history = CausalHistory()
        var chunks: [Tensor] = []
        var start = 0
        while start < frames.shape[0] {
            try interrupt()
            let end = min(frames.shape[0], start == 0 ? 1 : start + config.temporalFactor)
            chunks.append(encoder.next(frames.slice(start..<end), &history))
            start = end
        }
        return channelsFirst(Tensor.concatenate(chunks))
    }

    /// Diffusion latents `[C, F, H, W]` -> the VAE's `[F, H, W, C]`: z * std + mean.
    package func denormalised(_ latents: Tensor) -> Tensor {
        let (channels, area) = (config.zDim, latents.count / config.zDim)
        return Tensor(shape: Array(latents.shape.dropFirst()) + [channels]) { out in
            latents.withUnsafe { z in
                for c in 0..<channels {
                    for place in 0..<area {
                        out[place * channels + c] =
                            z[c * area + place] * config.latentsStd[c] + config.latentsMean[c]
                    }
                }
            }
        }
    }

    /// The VAE's latents `[C, F, H, W]` on the diffusion's scale: (z - mean) / std.
    package func normalised(_ latents: Tensor) -> Tensor {
        let area = latents.count / config.zDim
        return Tensor(shape: latents.shape) { out in
            latents.withUnsafe { z in
                for c in 0..<config.zDim {
                    for place in c * area..<(c + 1) * area {
                        out[place] = (z[place] - config.latentsMean[c]) / config.latentsStd[c]
                    }
                }
            }
        }
    }
}

extension WanVAE: Autoencoder {
    package var channels: Int { config.zDim }
    package var spatialFactor: Int { config.spatialFactor }
    package var temporalFactor: Int { config.temporalFactor }

    package func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        normalised(try encode(frames, interrupt: interrupt).slice(0..<config.zDim))
    }

    /// What a file is if it holds this autoencoder, of Wan or Qwen-Image.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: WanKeys.vae).tensors
        guard let input = tensors["decoder.conv_in.weight"], input.shape.count == 5,
            tensors["post_quant_conv.weight"] != nil
        else { return nil }
        let channels = input.shape[1]
        return FileIdentity(
            .vae, "Wan or Qwen-Image VAE, \(channels) latent channels", architecture: "wan_vae",
            refusal: channels == 16 ? nil : "it is the VAE of TI2V-5B; A14B and Wan2.1 use the one of 16 channels",
            keys: WanKeys.vae
        ) { reader, compute in
            _ = try WanVAE(reader, config: try WanVAEConfig.of(reader.checkpoint), compute: compute)
        }
    }
}

/// `[T, H, W, C]` -> `[C, T, H, W]`.
package func channelsFirst(_ x: Tensor) -> Tensor {
    let channels = x.shape[3]
    let area = x.count / channels
    return Tensor(shape: [channels] + x.shape.dropLast()) { out in
        x.withUnsafe { x in
            for place in 0..<area { for c in 0..<channels { out[c * area + place] = x[place * channels + c] } }
        }
    }
}

/// `[C, T, H, W]` -> `[T, H, W, C]`.
package func channelsLast(_ x: Tensor) -> Tensor {
    let channels = x.shape[0]
    let area = x.count / channels
    return Tensor(shape: x.shape.dropFirst() + [channels]) { out in
        x.withUnsafe { x in
            for c in 0..<channels { for place in 0..<area { out[place * channels + c] = x[c * area + place] } }
        }
    }
}
