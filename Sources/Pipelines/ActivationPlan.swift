import Diffusion
import Models
import Tensor

/// Bytes that computing a picture or a clip takes beside the weights where they lie, stage by stage.
package struct ActivationPlan: Sendable, Equatable {
    /// Of one prompt.
    package let text: Int
    /// Of all steps, the experts' keys and values of the prompts included.
    package let steps: Int
    /// Of the VAE decode, its convolutions' weights as the kernels read them included, which stay.
    package let decode: Int

    /// Stages follow one another.
    package var peak: Int { max(text, steps, decode) }
}

extension Pipeline {
    /// What it takes to make one picture or clip alone, told by the very code that makes it (see `MemoryPlan`). Nothing is
    /// computed and no weight is read.
    ///
    /// - Parameters:
    ///   - generator: nil for the model's default.
    ///   - tokens: of the prompt and of the negative one; nil for the longest prompt there can be.
    /// - Throws: `DiffusionError` for a generator that does not exist.
    /// - Precondition: width, height and frames are ones that `sizes` does not refuse.
    package func activationPlan(
        width: Int, height: Int, frames: Int, generator: String? = nil, tokens: Int? = nil
    ) throws -> ActivationPlan {
        let tokens = tokens ?? maximumTokens
        let text = try MemoryPlan.of {
            let rows = try promptEncoder.rows(ofTokens: tokens)
            _ = Tensor.lasting(rows.copy)
        }
        let steps = try MemoryPlan.of {
            let prompt = Prompted(positive: conditioning(tokens: tokens), negative: conditioning(tokens: tokens))
            var generation = try makeGeneration(
                seed: 0, width: width, height: height, frames: frames, generator: generator)
            while let phase = generation.nextPhase {
                try generation.step(using: planned(phase.expert), prompt)
                guard generation.nextPhase?.expert != phase.expert else { continue }
                for conditioning in [prompt.positive, prompt.negative] { conditioning?.forget(expert: phase.expert) }
            }
        }
        let decode = try MemoryPlan.of {
            let shape = latentShape(width: width, height: height, frames: frames)
            try vae.decode(unpacked(Tensor(uninitialized: shape), by: family.packing)) { _ in }
        }
        return ActivationPlan(text: text.peakExtent, steps: steps.peakExtent, decode: decode.peakExtent)
    }

    private func conditioning(tokens: Int) -> Conditioning {
        Conditioning(
            TextEmbedding(
                rows: Tensor.lasting { Tensor(uninitialized: [tokens, promptEncoder.width]) },
                paddedLength: family.paddedTextLength))
    }

    /// An expert that asks for no weights to be in memory.
    private func planned(_ name: String) throws -> Expert {
        let network = try expert(name).network
        return Expert(
            name: name, loras: [], network: network, residency: ModelResidency(nil, model: id, weights: [:]),
            interrupt: {})
    }
}
