import Diffusion
import Tensor

/// An expert of a pipeline as denoising sees it.
package struct Expert: VelocityModel {
    package let name: String
    let network: any ExpertNetwork
    let residency: ModelResidency
    /// Called before each transformer block; throwing from it ends the step.
    let interrupt: @Sendable () throws -> Void

    package func velocity(latents: Tensor, timesteps: [Float], conditionings: [Conditioning]) throws -> Tensor {
        try residency.pass(through: .expert(name)) { check in
            try network.velocity(latents: latents, timesteps: timesteps, conditionings: conditionings, name: name) {
                try interrupt()
                try check()
            }
        }
    }
}
