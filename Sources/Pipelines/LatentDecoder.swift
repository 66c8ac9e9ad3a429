import Models
import Tensor

/// What makes frames of a latent.
package enum LatentDecoder: String, Codable, Sendable, CaseIterable {
    /// The model's own autoencoder.
    case full
    /// A tiny autoencoder: a tenth of the work or less, without fine detail.
    case tiny
}

/// Decoding: by the model's autoencoder, or by a tiny one beside it or in its place.
extension Pipeline {
    /// The part of a tiny autoencoder beside the model's own.
    package static let tinyPart: Part = "tiny_vae"

    /// What there is, the default first.
    package var decoders: [LatentDecoder] {
        if parts.autoencoder is any TinyAutoencoder { return [.tiny] }
        return parts.tiny == nil ? [.full] : [.full, .tiny]
    }

    package var defaultDecoder: LatentDecoder { decoders[0] }

    /// Whether previews cost little beside a step: a tiny autoencoder makes them.
    package var hasCheapPreviews: Bool { tiny != nil }

    /// The tiny autoencoder beside the model's own, or in its place.
    var tiny: (any TinyAutoencoder)? { parts.tiny ?? parts.autoencoder as? any TinyAutoencoder }

    /// The part that a decoder passes through.
    package func part(of decoder: LatentDecoder) -> Part {
        decoder == .tiny && parts.tiny != nil ? Self.tinyPart : autoencoderPart
    }

    func autoencoder(of decoder: LatentDecoder) throws(ModelError) -> any Autoencoder {
        guard decoders.contains(decoder) else {
            throw .missingComponent(folder: source, component: Self.tinyPart.name, neededBy: "the \(decoder) decoder")
        }
        return part(of: decoder) == Self.tinyPart ? parts.tiny ?? parts.autoencoder : parts.autoencoder
    }

    /// Decodes a latent `[C, F, H, W]` and hands on frames `[T, H, W, 3]` in [0, 1] as they are ready.
    ///
    /// - Parameters:
    ///   - decoder: one of `decoders`; nil for the default.
    ///   - interrupt: called now and then; throwing ends the decoding.
    /// - Throws: `ModelError.notFinite` instead of a black picture, `ModelError.missingComponent` for a decoder that is not
    ///   there.
    package func decode(
        _ latent: Tensor, by decoder: LatentDecoder? = nil, interrupt: () throws -> Void = {},
        onFrames: (Tensor) throws -> Void
    ) throws {
        let decoder = decoder ?? defaultDecoder
        let autoencoder = try autoencoder(of: decoder)
        defer { residency.releaseActivations() }
        try residency.pass(through: part(of: decoder)) { check in
            try autoencoder.decode(unpacked(latent, by: traits.packing), interrupt: interrupt) { frames in
                try check()
                try onFrames(Self.unit(frames))
            }
        }
    }

    /// The first frame `[1, H, W, 3]` in [0, 1] of an estimate of x0 `[C, F, H, W]`: by the tiny autoencoder where there is
    /// one, else as `decode` makes it.
    ///
    /// - Parameter interrupt: called now and then; throwing ends the decoding.
    /// - Throws: `ModelError.notFinite`.
    package func preview(of estimate: Tensor, interrupt: () throws -> Void = {}) throws -> Tensor {
        defer { residency.releaseActivations() }
        return try residency.pass(through: part(of: tiny == nil ? .full : .tiny)) { check in
            let cells = unpacked(firstFrame(of: estimate), by: traits.packing)
            var first: Tensor?
            if let tiny {
                first = try tiny.preview(cells, interrupt: interrupt)
            } else {
                try parts.autoencoder.decode(cells, interrupt: interrupt) { first = first ?? $0.slice(0..<1) }
            }
            try check()
            guard let first else { throw ModelError.notFinite(stage: "VAE") }
            return try Self.unit(first)
        }
    }

    /// Frames in [-1, 1] that were just made, scaled in place to [0, 1] and clamped.
    private static func unit(_ frames: Tensor) throws(ModelError) -> Tensor {
        let isFinite = frames.withUnsafeMutable { values in
            // Without a branch, so that it is done sixteen at a time.
            var strange: UInt32 = 0
            for index in values.indices {
                let value = values[index]
                let unit = value * 0.5 + 0.5
                strange |= value.magnitude <= .greatestFiniteMagnitude ? 0 : 1
                values[index] = unit < 0 ? 0 : unit > 1 ? 1 : unit
            }
            return strange == 0
        }
        guard isFinite else { throw .notFinite(stage: "VAE") }
        return frames
    }
}
