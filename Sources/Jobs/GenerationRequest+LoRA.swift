import Pipelines

/// LoRA files of a request.
extension GenerationRequest {
    package static let mostLoRAs = 8
    package static let loraStrengths: ClosedRange<Float> = -4...4

    func validateLoRAs() throws(ServingError) {
        guard let loras else { return }
        guard loras.count <= Self.mostLoRAs else {
            throw .invalid(field: "loras", reason: "\(loras.count) given; allowed are \(Self.mostLoRAs)")
        }
        for lora in loras where !Self.loraStrengths.contains(lora.strength) {
            throw .invalid(
                field: "loras",
                reason: "strength \(lora.strength) given for '\(lora.name.prefix(100))'; allowed is "
                    + "\(Self.loraStrengths.lowerBound) to \(Self.loraStrengths.upperBound)")
        }
    }

    /// Finds the files and makes sure that they fit, and are what they were if the request has been settled before.
    /// - Throws: `ServingError.invalid`.
    package func settleLoRAs(for model: Pipeline) throws -> SettledLoRAs {
        guard let loras, !loras.isEmpty else { return .none }
        do {
            return try model.settle(loras, generator: generator)
        } catch {
            throw ServingError.invalid(field: "loras", reason: "\(error)")
        }
    }

    /// Returns the request with the digests of its LoRA files, so that the same request never means others, and without
    /// settings that name a default.
    /// - Throws: as `settleLoRAs`.
    package func settled(for model: Pipeline) throws -> GenerationRequest {
        var request = withoutUsualOutput()
        let loras = try settleLoRAs(for: model).all
        request.loras = loras.isEmpty ? nil : loras
        return request
    }
}
