import Diffusion
import Models

/// LoRA files of requests.
extension Pipeline {
    /// What requests may name, sorted.
    package var loraNames: [String] { adapted?.names ?? [] }

    /// Finds the files of a request and makes sure that they fit.
    /// - Parameter generator: nil for the model's default.
    /// - Throws: `ModelError` that says which does not and why, and names no folder of this machine;
    ///   `DiffusionError.unknownGenerator`.
    package func settle(_ loras: [LoRA], generator: String?) throws -> SettledLoRAs {
        let experts = try generators.generator(generator).plan.experts
        guard let adapted else {
            guard let first = loras.first else { return .none }
            throw ModelError.noSuchLoRA(name: first.name, known: [])
        }
        return try adapted.settle(loras, for: experts, texts: adaptedTexts)
    }
}
