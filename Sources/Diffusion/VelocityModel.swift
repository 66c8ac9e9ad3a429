import Tensor

/// An expert as denoising sees it: v ~ eps - x0 at a noisy latent. What a conditioning is, only the expert knows.
package protocol VelocityModel {
    associatedtype Conditioning

    /// One network evaluation of a batch.
    ///
    /// Row i must not depend on the other rows, to the last bit: generations are batched as load has it, and the same
    /// seed must give the same bytes.
    /// - Returns: velocities, of the shape of `evaluation.latents`.
    /// - Throws: anything, such as a cancellation noticed between two transformer blocks; the generations of the
    ///   batch then are as they were before.
    func velocity(_ evaluation: Evaluation<Conditioning>) throws -> Tensor
}

/// What one network evaluation of a batch reads. Every list has an entry for each row of the latents.
package struct Evaluation<Conditioning> {
    /// `[B, ...]`
    package let latents: Tensor
    /// The times of the latents, in 0...1000.
    package let timesteps: [Float]
    /// The times that the steps go to, in 0...1000. A flow map reads both times; other networks read the first alone.
    package let targets: [Float]
    package let conditionings: [Conditioning]
    package let inputs: [GenerationInputs]
    /// What the network's answers mean, where that is not always the same.
    package let predictions: [Prediction]
    /// The scales of guidance, for networks that are told them.
    package let guidanceScales: [Float]

    package init(
        latents: Tensor, timesteps: [Float], targets: [Float]? = nil, conditionings: [Conditioning],
        inputs: [GenerationInputs]? = nil, predictions: [Prediction]? = nil, guidanceScales: [Float]? = nil
    ) {
        self.latents = latents
        self.timesteps = timesteps
        self.targets = targets ?? timesteps.map { _ in 0 }
        self.conditionings = conditionings
        self.inputs = inputs ?? timesteps.map { _ in GenerationInputs() }
        self.predictions = predictions ?? timesteps.map { _ in .own }
        self.guidanceScales = guidanceScales ?? timesteps.map { _ in 1 }
    }
}

extension Evaluation: Sendable where Conditioning: Sendable {}

/// What a generation is about. `negative` is needed in phases where guidance is on.
package struct Prompted<Conditioning> {
    package let positive: Conditioning
    package let negative: Conditioning?

    package init(positive: Conditioning, negative: Conditioning? = nil) {
        self.positive = positive
        self.negative = negative
    }
}

extension Prompted: Sendable where Conditioning: Sendable {}
