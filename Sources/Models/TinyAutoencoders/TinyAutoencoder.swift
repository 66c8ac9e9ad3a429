import Foundation
import Tensor
import Weights

/// A small autoencoder that was trained to do what a large one does: it reads the latents as they are diffused, at a tenth of
/// the work or less, and loses fine detail. Reference: madebyollin/taesd and madebyollin/taehv.
package protocol TinyAutoencoder: Autoencoder {
    var network: TinyLatents.Network { get }

    /// The first frame of a latent `[C, F, h, w]` of the diffusion's scale, at the least cost there is: `[1, H, W, 3]` in
    /// [-1, 1], not clamped. It may differ a little from what `decode` gives.
    ///
    /// - Parameter interrupt: called now and then; throwing from it ends the decoding.
    func preview(_ latent: Tensor, interrupt: () throws -> Void) throws -> Tensor
}

/// Which tiny autoencoders read a family's latents.
package struct TinyLatents: Sendable, Equatable {
    package enum Network: String, Sendable {
        case pictures = "of pictures (AutoencoderTiny)"
        case clips = "of clips (TAEHV)"
    }

    package let network: Network
    /// What the published files are called.
    package let published: String

    package static func pictures(_ published: String) -> TinyLatents {
        TinyLatents(network: .pictures, published: published)
    }

    package static func clips(_ published: String) -> TinyLatents {
        TinyLatents(network: .clips, published: published)
    }
}

/// Files of tiny autoencoders, whatever the family.
package enum TinyAutoencoders {
    /// What a file is if it holds one.
    package static func recognise(_ checkpoint: Checkpoint) -> FileIdentity? {
        guard let (network, channels, refusal) = TAEHV.recognise(checkpoint) ?? AutoencoderTiny.recognise(checkpoint)
        else { return nil }
        return FileIdentity(
            .tinyVAE, name(network, channels: channels), architecture: "tiny_autoencoder", refusal: refusal,
            keys: KeyTable(prefixes: [], [])
        ) { reader, compute in
            _ = try open(reader, compute: compute)
        }
    }

    /// - Throws: `ModelError.wrongFile` for a file that holds none, `ModelError.unsupported` for one that is not built,
    ///   `WeightError` with the key that is missing or has another shape.
    package static func open(_ reader: WeightReader, compute: Compute) throws -> any TinyAutoencoder {
        let identity = try FileIdentity.of(reader.checkpoint, as: .tinyVAE)
        if let refusal = identity.refusal {
            throw ModelError.unsupported(folder: reader.checkpoint.path, reason: "\(identity.name): \(refusal)")
        }
        return TAEHV.recognise(reader.checkpoint) != nil
            ? try TAEHV(reader, compute: compute)
            : try AutoencoderTiny(reader, config: AutoencoderTinyConfig(reader.checkpoint), compute: compute)
    }

    /// Makes sure that a tiny autoencoder reads the latents of a family's networks.
    /// - Parameters:
    ///   - file: of the tiny autoencoder.
    ///   - channels: of the latents, not packed.
    ///   - own: the family's own autoencoder, where it is open.
    /// - Throws: `ModelError.wrongFile` that says which file fits.
    package static func require(
        _ tiny: any TinyAutoencoder, file: String, for family: any ModelFamily, channels: Int,
        own: (any Autoencoder)? = nil
    ) throws(ModelError) {
        let wanted = family.traits.tiny
        let fits =
            tiny.network == wanted?.network && tiny.channels == channels
            && tiny.spatialFactor == own?.spatialFactor ?? tiny.spatialFactor
            && tiny.temporalFactor == own?.temporalFactor ?? tiny.temporalFactor
        guard !fits else { return }
        throw .wrongFile(
            file: file,
            expected: wanted.map {
                "tiny autoencoder for \(family.name) (\($0.published), \($0.network.rawValue), \(channels) latent channels)"
            } ?? "tiny autoencoder for \(family.name), for which none is known,",
            found: "\(name(tiny.network, channels: tiny.channels)), a cell of \(tiny.spatialFactor) pixels")
    }

    private static func name(_ network: TinyLatents.Network, channels: Int) -> String {
        "tiny autoencoder \(network.rawValue), \(channels) latent channels"
    }
}

/// 3 tanh(z / 3) of a latent `[C, F, h, w]`, by which tiny decoders begin, as frames `[F, h, w, C]`.
func squashed(_ latent: Tensor, by curve: (Float) -> Float = { 3 * tanhf($0 / 3) }) -> Tensor {
    let (channels, area) = (latent.shape[0], latent.count / latent.shape[0])
    return Tensor(shape: Array(latent.shape.dropFirst()) + [channels]) { out in
        latent.withUnsafe { z in
            for c in 0..<channels {
                for place in 0..<area { out[place * channels + c] = curve(z[c * area + place]) }
            }
        }
    }
}

/// factor * x + shift.
func affine(_ x: Tensor, _ factor: Float, _ shift: Float) -> Tensor {
    Tensor(shape: x.shape) { out in
        x.withUnsafe { x in
            for index in out.indices { out[index] = factor * x[index] + shift }
        }
    }
}
