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
        // Networks read what is encoded at every step: it is not rounded.
        encoder = try WanVAEEncoder(reader, config: config, compute: compute.with(.f32))
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
        var pass = WanVAEEncoder.Pass()
        var chunks: [Tensor] = []
        var start = 0
        while start < frames.shape[0] {
            let end = min(frames.shape[0], start == 0 ? 1 : start + config.temporalFactor)
            pass.history.isEnding = end == frames.shape[0]
            chunks.append(try pass.next(frames.slice(start..<end), of: encoder, interrupt: interrupt))
            start = end
        }
        return channelsFirst(Tensor.concatenate(chunks))
    }

    /// The latent `[C, F, H, W]`, of the diffusion's scale, of a clip of so many frames (4k + 1) whose first frame, and
    /// maybe last, `[1, H', W', 3]` in [-1, 1], are given, while all others are grey (0).
    ///
    /// - Parameter interrupt: called before each level of each chunk; throwing ends the encoding.
    package func latent(
        first: Tensor, last: Tensor? = nil, frames: Int, interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let chunks = (frames - 1) / config.temporalFactor
        var pass = WanVAEEncoder.Pass()
        pass.history.isEnding = chunks == 0
        var moments = [try pass.first(first, of: encoder, interrupt: interrupt)]
        for chunk in 0..<chunks {
            pass.history.isEnding = chunk == chunks - 1
            if pass.history.isEnding, let last {
                let grey = Tensor(zeros: [config.temporalFactor - 1] + first.shape.dropFirst())
                moments.append(
                    try pass.next(Tensor.concatenate([grey, last]), of: encoder, interrupt: interrupt))
            } else {
                moments.append(
                    try pass.grey(
                        rows: first.shape[1], columns: first.shape[2], of: encoder, interrupt: interrupt))
            }
        }
        return normalised(channelsFirst(Tensor.concatenate(moments)).slice(0..<config.zDim))
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

    /// What a file is if it holds this autoencoder, of Wan or Qwen-Image. Models tell by the channels whether it is theirs.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: WanKeys.vae).tensors
        guard let input = tensors["decoder.conv_in.weight"], input.shape.count == 5,
            tensors["post_quant_conv.weight"] != nil
        else { return nil }
        let channels = input.shape[1]
        return FileIdentity(
            .vae,
            channels == 48
                ? "Wan2.2 VAE (of TI2V-5B), 48 latent channels" : "Wan or Qwen-Image VAE, \(channels) latent channels",
            architecture: "wan_vae", keys: WanKeys.vae
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
