import Tensor
import Weights

/// SANA's autoencoder of pictures (DC-AE, arXiv 2410.10733): 32 pixels along a side of one latent cell, no distribution.
/// Reference: `AutoencoderDC` in diffusers' autoencoder_dc.py.
///
/// Inside, pictures are channels-last `[1, H, W, C]`, one at a time.
package struct AutoencoderDC: Sendable {
    package let config: AutoencoderDCConfig
    package let encoder: AutoencoderDCEncoder
    package let decoder: AutoencoderDCDecoder

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: AutoencoderDCConfig, compute: Compute) throws(WeightError) {
        self.config = config
        encoder = try AutoencoderDCEncoder(reader, config: config, compute: compute)
        decoder = try AutoencoderDCDecoder(reader, config: config, compute: compute)
    }

    /// Diffusion latents, of any layout, on the autoencoder's scale.
    package func denormalised(_ latents: Tensor) -> Tensor {
        Tensor(shape: latents.shape) { out in
            latents.withUnsafe { z in for index in out.indices { out[index] = z[index] / config.scalingFactor } }
        }
    }

    /// The autoencoder's latents, of any layout, on the diffusion's scale.
    package func normalised(_ latents: Tensor) -> Tensor {
        Tensor(shape: latents.shape) { out in
            latents.withUnsafe { z in for index in out.indices { out[index] = z[index] * config.scalingFactor } }
        }
    }
}

extension AutoencoderDC: Autoencoder {
    package var channels: Int { config.latentChannels }
    package var spatialFactor: Int { config.spatialFactor }
    package var temporalFactor: Int { 1 }

    package func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws {
        let z = channelsLast(denormalised(latent))
        for frame in 0..<z.shape[0] {
            try onFrames(decoder.picture(of: z.slice(frame..<frame + 1), interrupt: interrupt))
        }
    }

    package func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        let latents = try (0..<frames.shape[0]).map {
            try encoder.latent(of: frames.slice($0..<$0 + 1), interrupt: interrupt)
        }
        return normalised(channelsFirst(Tensor.concatenate(latents)))
    }

    /// What a file is if it holds this autoencoder. Relatives with other norms or enlargements are told apart by their keys.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: AutoencoderDCKeys.vae).tensors
        guard let input = tensors["decoder.conv_in.weight"], input.shape.count == 4,
            tensors["encoder.down_blocks.0.0.conv1.weight"] != nil,
            tensors.keys.contains(where: { $0.hasPrefix("decoder.up_blocks.0.1.") })
        else { return nil }
        let isSana =
            tensors["decoder.up_blocks.0.1.norm.bias"] != nil && tensors["decoder.up_blocks.0.0.conv.bias"] != nil
        let hasBatchNorms = tensors.keys.contains { $0.hasSuffix("running_mean") }
        return FileIdentity(
            .vae, "picture autoencoder of 32 times smaller sides (DC-AE), \(input.shape[1]) latent channels",
            architecture: "autoencoder_dc",
            refusal: isSana && !hasBatchNorms
                ? nil : "it is another DC-AE than SANA's (batch norms or pixel shuffles), which is not built",
            keys: AutoencoderDCKeys.vae
        ) { reader, compute in
            _ = try AutoencoderDC(reader, config: try AutoencoderDCConfig.of(reader.checkpoint), compute: compute)
        }
    }
}
