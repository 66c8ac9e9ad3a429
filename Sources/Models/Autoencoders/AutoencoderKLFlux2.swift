import Tensor
import Weights

/// The autoencoder of FLUX.2: the networks of `AutoencoderKL`, and latents with a scale for each channel, where cells of 2 x 2
/// count as channels of their own. Reference: `AutoencoderKLFlux2` in diffusers' autoencoder_kl_flux2.py.
package struct AutoencoderKLFlux2: Sendable {
    /// Cells along a side that have scales of their own.
    package static let patch = 2
    static let meanKey = "bn.running_mean"

    package let networks: AutoencoderKL
    /// The mean and deviation of the encoder's latents, for each channel and place in a patch, the column fastest.
    private let mean, deviation: [Float]

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: AutoencoderKLFlux2Config, compute: Compute) throws(WeightError) {
        networks = try AutoencoderKL(reader, config: config.networks, compute: compute)
        let count = config.networks.latentChannels * Self.patch * Self.patch
        mean = try reader.vector(Self.meanKey, [count]).array
        deviation = try reader.vector("bn.running_var", [count]).array.map {
            ($0 + config.normEps).squareRoot()
        }
        // What training counted.
        reader.passOver(["bn.num_batches_tracked"])
    }

    /// Diffusion latents `[C, F, h, w]`, not packed, -> the networks' `[F, h, w, C]`: z deviation + mean.
    package func denormalised(_ latents: Tensor) -> Tensor {
        let (channels, area) = (latents.shape[0], latents.count / latents.shape[0])
        return Tensor(shape: Array(latents.shape.dropFirst()) + [channels]) { out in
            latents.withUnsafe { z in
                for index in z.indices {
                    let scale = scale(of: index, in: latents.shape)
                    out[index % area * channels + index / area] = z[index] * deviation[scale] + mean[scale]
                }
            }
        }
    }

    /// The networks' latents `[C, F, h, w]` on the diffusion's scale, not packed: (z - mean) / deviation.
    package func normalised(_ latents: Tensor) -> Tensor {
        Tensor(shape: latents.shape) { out in
            latents.withUnsafe { z in
                for index in z.indices {
                    let scale = scale(of: index, in: latents.shape)
                    out[index] = (z[index] - mean[scale]) / deviation[scale]
                }
            }
        }
    }

    /// Which scale an element of a latent `[C, F, h, w]` has.
    private func scale(of index: Int, in shape: [Int]) -> Int {
        let (height, width) = (shape[2], shape[3])
        let (channel, y, x) = (index / (shape[1] * height * width), index / width % height, index % width)
        return (channel * Self.patch + y % Self.patch) * Self.patch + x % Self.patch
    }
}

extension AutoencoderKLFlux2: Autoencoder {
    package var channels: Int { networks.channels }
    package var spatialFactor: Int { networks.spatialFactor }
    package var temporalFactor: Int { networks.temporalFactor }

    package func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws {
        try networks.pictures(of: denormalised(latent), interrupt: interrupt, onFrames: onFrames)
    }

    package func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        normalised(try networks.encode(frames, interrupt: interrupt).slice(0..<channels))
    }

    /// What a file is if it holds this autoencoder.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: AutoencoderKLKeys.vae).tensors
        guard tensors[meanKey] != nil, let input = tensors["decoder.conv_in.weight"], input.shape.count == 4,
            tensors["decoder.up_blocks.0.resnets.0.norm1.weight"] != nil
        else { return nil }
        return FileIdentity(
            .vae, "picture autoencoder (AutoencoderKLFlux2), \(input.shape[1]) latent channels",
            architecture: "autoencoder_kl_flux2", keys: AutoencoderKLKeys.vae
        ) { reader, compute in
            let config = try AutoencoderKLFlux2Config.of(reader.checkpoint)
            _ = try AutoencoderKLFlux2(reader, config: config, compute: compute)
        }
    }
}
