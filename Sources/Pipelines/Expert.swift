import Diffusion
import Models
import Tensor

/// An expert of a pipeline as denoising sees it.
package struct Expert: VelocityModel {
    package let name: String
    /// The LoRAs of a request.
    let loras: [LoRA]
    let network: any DenoisingNetwork
    let residency: any PartResidency
    /// The step calls this before each transformer block; throwing from it ends the step.
    let interrupt: @Sendable () throws -> Void

    /// The key under which conditionings keep what the expert made of them.
    static func key(_ name: String, _ loras: [LoRA]) -> String {
        ([name] + loras.map { "\($0.digest ?? "") \($0.strength)" }).joined(separator: "\n")
    }

    package func velocity(_ evaluation: Evaluation<Conditioning>) throws -> Tensor {
        try residency.pass(through: Part(name)) { check in
            try network.velocity(evaluation, key: Self.key(name, loras)) {
                try interrupt()
                try check()
            }
        }
    }
}
