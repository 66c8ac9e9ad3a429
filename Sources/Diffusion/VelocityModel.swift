import Tensor

/// An expert as denoising sees it: v ~ eps - x0 at a noisy latent. What a conditioning is, only the expert knows.
package protocol VelocityModel {
    associatedtype Conditioning

    /// One network evaluation of a batch.
    ///
    /// Row i must not depend on the other rows, to the last bit: generations are batched as load has it, and the same
    /// seed must give the same bytes.
    /// - Parameters:
    ///   - latents: [B, ...].
    ///   - timesteps: B values in 0...1000.
    ///   - conditionings: B.
    /// - Returns: velocities, of the shape of `latents`.
    /// - Throws: anything, such as a cancellation noticed between two transformer blocks; the generations of the
    ///   batch then are as they were before.
    func velocity(latents: Tensor, timesteps: [Float], conditionings: [Conditioning]) throws -> Tensor
}

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
