import Diffusion
import Networks
import Tensor

/// A Wan transformer as denoising sees it.
package struct WanExpert: VelocityModel {
    package let name: String
    let network: WanTransformer
    /// Called before each transformer block; throwing from it ends the step.
    let interrupt: @Sendable () throws -> Void

    package func velocity(latents: Tensor, timesteps: [Float], conditionings: [Conditioning]) throws -> Tensor {
        let contexts = conditionings.map { $0.context(of: name, network.context) }
        return try network.forward(
            latents: latents, timesteps: timesteps, contexts: contexts, interrupt: interrupt)
    }
}
