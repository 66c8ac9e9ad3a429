import Diffusion
import Models
import Pictures
import Support
import Tensor

/// Bytes that computing a picture or a clip takes beside the weights where they lie, stage by stage.
package struct ActivationPlan: Sendable, Equatable {
    /// Bytes for encoding pictures: those that the network reads, else one that is changed by strength.
    package let picture: Int
    /// Bytes for encoding one prompt.
    package let text: Int
    /// Bytes for all steps, the experts' keys and values of the prompts included.
    package let steps: Int
    /// Bytes for the VAE decode. They include the convolutions' weights in the kernels' own layout, which stay.
    package let decode: Int
    /// Bytes for a preview by a tiny autoencoder; 0 where there is none.
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
    ///   - references: sides of the reference pictures; nil for as many of the default size as the model needs, and one where
    ///     it may be given any.
    /// - Throws: `DiffusionError` for a generator that does not exist; as encoding for pictures that cannot be.
    /// - Precondition: width, height and frames are ones that `sizes` does not refuse.
    package func activationPlan(
        width: Int, height: Int, frames: Int, generator: String? = nil, decoder: LatentDecoder? = nil,
        tokens: Int? = nil, references: [PixelSize]? = nil
    ) throws -> ActivationPlan {
        let given = try plannedPictures(width: width, height: height, frames: frames, references: references)
        let encoder = try promptEncoder(of: textSide(of: generators.generator(generator).plan))
        let seen = encoder.seesPictures ? given.references : []
        var texts: [String: [Int]] = [:]
        let text = try MemoryPlan.of {
            let prompt = try encoder.encode(tokens: tokens ?? maximumTokens, seeing: seen).lasting
            texts = prompt.tensors.mapValues(\.shape)
        }
        var shapes = InputShapes()
        let picture = try MemoryPlan.of {
            guard !given.isEmpty else { return }
            if case .inputs(let inputs) = try encoded(given, width: width, height: height, frames: frames) {
                shapes = InputShapes(inputs)
            }
        }
        let steps = try MemoryPlan.of {
            func prompt() -> Conditioning { Conditioning(texts.mapValues(InputShapes.kept)) }
            var generation = try planned.makeGeneration(
                GenerationParameters(
                    prompt: "", negativePrompt: "", width: width, height: height, frames: frames, generator: generator))
            try generation.take(shapes.inputs)
            var run = Run(
                generation, of: planned, generator: generator ?? generators.defaultName,
                texts: Prompted(positive: "", negative: ""),
                prompted: Prompted(positive: prompt(), negative: prompt()))
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

    /// Where a picture may be given, one is: also one that is changed by strength, where nothing else is given.
    private func plannedPictures(
        width: Int, height: Int, frames: Int, references: [PixelSize]?
    ) throws -> GivenPictures {
        guard pictureRefusal == nil else { return GivenPictures() }
        var given = try greyPictures(width: width, height: height, frames: frames, references: references)
        if given.isEmpty, frames == 1, traits.pictures.changesByStrength {
            given.first = try RGBImage(
                width: width, height: height, bytes: [UInt8](repeating: 128, count: 3 * width * height))
        }
        return given
    }

    /// The same model, which asks for no weights to be in memory.
    private var planned: Pipeline {
        Pipeline(
            id: id, traits: traits, generators: generators, sizes: sizes, parts: parts,
            residency: ModelResidency(nil, model: id, weights: [:]), identities: PartIdentities([:]))
    }
}

/// The shapes of what pictures become: tensors of one plan have no memory in another.
private struct InputShapes {
    var channels: [Int]?
    var references: [[Int]] = []
    var givenFrames: [Int]?

    init() {}

    init(_ inputs: GenerationInputs) {
        channels = inputs.channels?.shape
        references = inputs.references.map(\.shape)
        givenFrames = inputs.givenFrames?.shape
    }

    static func kept(_ shape: [Int]) -> Tensor { Tensor.lasting { Tensor(uninitialized: shape) } }

    /// The inputs in the memory of the plan that is being made.
    var inputs: GenerationInputs {
        GenerationInputs(
            channels: channels.map(Self.kept), references: references.map(Self.kept),
            givenFrames: givenFrames.map(Self.kept))
    }
}
