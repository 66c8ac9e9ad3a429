import Diffusion
import Models
import Tensor

/// Bytes that computing a picture or a clip takes beside the weights where they lie, stage by stage.
package struct ActivationPlan: Sendable, Equatable {
    /// Bytes for encoding the pictures that the network reads, as for the VAE decode; 0 where it reads none.
    package let picture: Int
    /// Bytes for encoding one prompt.
    package let text: Int
    /// Bytes for all steps, the experts' keys and values of the prompts included.
    package let steps: Int
    /// Bytes for the VAE decode. They include the convolutions' weights in the kernels' own layout, which stay.
    package let decode: Int
    /// Of a preview by a tiny autoencoder; 0 where there is none.
    package let preview: Int

    /// Stages follow one another.
    package var peak: Int { max(picture, text, steps, decode, preview) }
}

extension Pipeline {
    /// What it takes to make one picture or clip alone, told by the very code that makes it (see `MemoryPlan`). Nothing is
    /// computed and no weight is read.
    ///
    /// - Parameters:
    ///   - generator: nil for the model's default.
    ///   - decoder: one of the model's; nil for its default.
    ///   - tokens: of the prompt and of the negative one; nil for the longest prompt there can be.
    /// - Throws: `DiffusionError` for a generator that does not exist.
    /// - Precondition: width, height and frames are ones that `sizes` does not refuse.
    package func activationPlan(
        width: Int, height: Int, frames: Int, generator: String? = nil, decoder: LatentDecoder? = nil,
        tokens: Int? = nil
    ) throws -> ActivationPlan {
        let tokens = tokens ?? maximumTokens
        let text = try MemoryPlan.of {
            _ = try parts.promptEncoder.encode(tokens: tokens).lasting
        }
        let parameters = GenerationParameters(
            prompt: "", negativePrompt: "", width: width, height: height, frames: frames, generator: generator)
        // Where a picture may be given, one is.
        let given = try greyPictures(width: width, height: height, frames: frames)
        var channels: [Int]?
        var givenFrames: [Int]?
        let picture = try MemoryPlan.of {
            guard !given.isEmpty, let encoder = parts.pictureEncoder else { return }
            let inputs = try encoder.inputs(
                of: given, width: width, height: height, frames: frames, interrupt: {})
            (channels, givenFrames) = (inputs.channels?.shape, inputs.givenFrames?.shape)
        }
        let steps = try MemoryPlan.of {
            func kept(_ shape: [Int]) -> Tensor { Tensor.lasting { Tensor(uninitialized: shape) } }
            var generation = try planned.makeGeneration(parameters)
            try generation.take(
                GenerationInputs(channels: channels.map(kept), givenFrames: givenFrames.map(kept)))
            var run = Run(
                generation, of: planned, generator: generator ?? generators.defaultName,
                texts: Prompted(positive: "", negative: ""),
                prompted: Prompted(
                    positive: parts.promptEncoder.placeholder(tokens: tokens),
                    negative: parts.promptEncoder.placeholder(tokens: tokens)))
            _ = try run.finishSteps()
        }
        let decode = try MemoryPlan.of {
            let shape = latentShape(width: width, height: height, frames: frames)
            try autoencoder(of: decoder ?? defaultDecoder).decode(
                unpacked(Tensor(uninitialized: shape), by: traits.packing), interrupt: {}
            ) { _ in }
        }
        let preview = try MemoryPlan.of {
            guard let tiny else { return }
            let shape = latentShape(width: width, height: height, frames: 1)
            _ = try tiny.preview(unpacked(Tensor(uninitialized: shape), by: traits.packing), interrupt: {})
        }
        return ActivationPlan(
            picture: picture.peakExtent, text: text.peakExtent, steps: steps.peakExtent, decode: decode.peakExtent,
            preview: preview.peakExtent)
    }

    /// The same model, which asks for no weights to be in memory.
    private var planned: Pipeline {
        Pipeline(
            id: id, traits: traits, generators: generators, sizes: sizes, parts: parts,
            residency: ModelResidency(nil, model: id, weights: [:]), identities: PartIdentities([:]))
    }
}
