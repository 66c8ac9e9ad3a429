import Diffusion

/// LoRA files of requests.
extension Pipeline {
    /// What requests may name, sorted.
    package var loraNames: [String] { adapted.names }

    /// Finds the files of a request and makes sure that they fit.
    /// - Parameter generator: nil for the model's default.
    /// - Throws: `PipelineError` that says which does not and why, and names no folder of this machine;
    ///   `DiffusionError.unknownGenerator`.
    package func settle(_ loras: [LoRA], generator: String?) throws -> SettledLoRAs {
        try adapted.settle(loras, for: generators.generator(generator).plan.experts)
    }
}
