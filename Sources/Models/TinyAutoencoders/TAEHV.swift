import Foundation
import Tensor
import Weights

/// The tiny autoencoder of clips: taew2_1, taew2_2 and taew2_2_super. Reference: taehv.py of madebyollin/taehv.
///
/// Inside, frames are channels-last `[T, H, W, C]`. Decoding takes one latent frame at a time; each block remembers one frame,
/// so memory does not grow with the length of a clip.
package struct TAEHV: Sendable {
    package let config: TAEHVConfig
    package let decoder: TAEHVDecoder
    package let encoder: TAEHVEncoder?

    /// - Throws: `NetworkError` for shapes of another network, `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, compute: Compute) throws {
        let config = try TAEHVConfig(reader.checkpoint)
        self.config = config
        decoder = try TAEHVDecoder(reader, config: config, compute: compute)
        encoder = try config.encoderPooling.map {
            try TAEHVEncoder(reader, config: config, pooling: $0, compute: compute)
        }
    }

    /// Decodes a latent `[C, F, h, w]` of the diffusion's scale and hands on frames `[1, H, W, 3]` in [0, 1], not clamped.
    /// The first latent frame gives one frame, each later one as many as `growth` says.
    /// - Parameter interrupt: called before each block of each latent frame; throwing ends the decode.
    package func frames(
        of latent: Tensor, growth: TAEHVDecoder.Growth, interrupt: () throws -> Void = {},
        onFrame: (Tensor) throws -> Void
    ) throws {
        let z = config.isWide ? channelsLast(latent) : squashed(latent)
        var history = CausalHistory()
        for frame in 0..<z.shape[0] {
            history.isEnding = frame == z.shape[0] - 1
            try decoder.next(
                z.slice(frame..<frame + 1), &history, growth: growth, dropped: frame == 0 ? growth.product - 1 : 0,
                interrupt: interrupt, onFrame: onFrame)
        }
    }
}

extension TAEHV: TinyAutoencoder {
    package var network: TinyLatents.Network { .clips }
    package var channels: Int { config.channels }
    package var spatialFactor: Int { config.patch << TAEHVConfig.levels }
    package var temporalFactor: Int { decoder.growth.product }
    package var hasEncoder: Bool { encoder != nil }

    package func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws {
        try frames(of: latent, growth: decoder.growth, interrupt: interrupt) { try onFrames(affine($0, 2, -1)) }
    }

    /// One frame of the first latent frame, without growing in time.
    package func preview(_ latent: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        var growth = decoder.growth
        growth.frames = growth.frames.map { _ in 1 }
        var first: Tensor?
        try frames(of: firstFrame(of: latent), growth: growth, interrupt: interrupt) { first = affine($0, 2, -1) }
        return first ?? Tensor(uninitialized: [0])
    }

    /// The last frame is repeated to a whole number of latent frames.
    /// - Throws: `ModelError.unsupported` without an encoder.
    package func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        guard let encoder, let pooled = config.encoderPooling?.reduce(1, *) else {
            throw ModelError.unsupported(
                folder: "the tiny autoencoder", reason: "its file holds the decoder alone, which encodes no picture")
        }
        let count = frames.shape[0]
        var history = CausalHistory()
        var latents: [Tensor] = []
        for start in stride(from: 0, to: count, by: pooled) {
            history.isEnding = start + pooled >= count
            let last = frames.slice(count - 1..<count)
            let missing = max(0, start + pooled - count)
            let chunk = Tensor.concatenate(
                [frames.slice(start..<min(count, start + pooled))] + [Tensor](repeating: last, count: missing))
            latents.append(try encoder.next(affine(chunk, 0.5, 0.5), &history, interrupt: interrupt))
        }
        return channelsFirst(Tensor.concatenate(latents))
    }

    /// The network and latent channels of a file that holds this one, and why it cannot be used.
    static func recognise(_ checkpoint: Checkpoint) -> (TinyLatents.Network, channels: Int, refusal: String?)? {
        let tensors = checkpoint.tensors
        guard TAEHVConfig.isHere(checkpoint),
            let first = (tensors["decoder.0.weight"] ?? tensors["decoder.1.weight"])?.shape, first.count == 4
        else { return nil }
        // Nothing inside the file tells them apart.
        let name = URL(fileURLWithPath: checkpoint.path).lastPathComponent.lowercased()
        let refusal =
            name.hasPrefix("lighttae")
            ? "it was made for latents with the mean and deviation of the large VAE, not as they are diffused; use "
                + "taew2_1 or taew2_2"
            : nil
        return (.clips, first[1], refusal)
    }
}
