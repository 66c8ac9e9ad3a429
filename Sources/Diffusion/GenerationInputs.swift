import Tensor

/// What the network of a generation reads beside the latent and the prompt: pictures, as the autoencoder has encoded
/// them. They stay the same from the first step to the last.
package struct GenerationInputs: Sendable {
    /// Channels that the network reads after those of the latent, `[C', F, H, W]` (Wan image to video: mask and
    /// encoded frames).
    package var channels: Tensor?
    /// Latents of reference pictures, `[C, F, H, W]` each, whose tokens follow those of the latent (FLUX.2,
    /// Qwen-Image-Edit).
    package var references: [Tensor]
    /// The first latent frames, `[C, f, H, W]`, which are given and stay as they are; a network with times per token
    /// sees them at time 0 (Wan TI2V).
    package var givenFrames: Tensor?

    package init(channels: Tensor? = nil, references: [Tensor] = [], givenFrames: Tensor? = nil) {
        self.channels = channels
        self.references = references
        self.givenFrames = givenFrames
    }

    /// The shapes of everything here. Generations share an evaluation only if these agree.
    package var shapes: [[Int]] {
        [channels?.shape ?? [], givenFrames?.shape ?? []] + references.map(\.shape)
    }

    /// The same tensors, apart from the memory of the stage that computed them.
    package var lasting: GenerationInputs {
        GenerationInputs(
            channels: channels.map { Tensor.lasting($0.copy) },
            references: references.map { reference in Tensor.lasting(reference.copy) },
            givenFrames: givenFrames.map { Tensor.lasting($0.copy) })
    }

    /// Whether the inputs fit latents `[C, F, H, W]` of that shape.
    func fit(_ latent: [Int]) -> Bool {
        if let channels {
            guard channels.shape.count == latent.count, channels.shape.dropFirst() == latent.dropFirst() else {
                return false
            }
        }
        if let givenFrames {
            let shape = givenFrames.shape
            guard shape.count == 4, latent.count == 4, shape[0] == latent[0], 1...latent[1] ~= shape[1],
                shape[2...] == latent[2...]
            else { return false }
        }
        return true
    }

    /// The latent `[C, F, H, W]` with its given frames put back.
    package func restoring(_ latent: Tensor) -> Tensor {
        guard let givenFrames else { return latent }
        let area = latent.shape[2] * latent.shape[3]
        let (frames, given) = (latent.shape[1] * area, givenFrames.shape[1] * area)
        return Tensor(shape: latent.shape) { out in
            latent.withUnsafe { latent in
                givenFrames.withUnsafe { clean in
                    for index in latent.indices {
                        let (channel, place) = (index / frames, index % frames)
                        out[index] = place < given ? clean[channel * given + place] : latent[index]
                    }
                }
            }
        }
    }
}

extension GenerationInputs: Codable {
    private enum CodingKeys: String, CodingKey { case channels, references, givenFrames }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        channels = try values.decodeIfPresent(StoredTensor.self, forKey: .channels)?.tensor()
        references = try values.decode([StoredTensor].self, forKey: .references).map { try $0.tensor() }
        givenFrames = try values.decodeIfPresent(StoredTensor.self, forKey: .givenFrames)?.tensor()
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encodeIfPresent(channels.map(StoredTensor.init), forKey: .channels)
        try values.encode(references.map(StoredTensor.init), forKey: .references)
        try values.encodeIfPresent(givenFrames.map(StoredTensor.init), forKey: .givenFrames)
    }
}
