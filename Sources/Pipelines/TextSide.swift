import Diffusion
import Models
import Support

/// What the texts of a run are encoded by: the model's text side, with the LoRA files that change it.
package struct TextSide: Hashable, Sendable {
    /// The files that the model has on the experts of the run's plan.
    let own: [OwnFile]
    /// The files of the request.
    let loras: [LoRA]

    struct OwnFile: Hashable {
        let path: String
        let strength: Float
    }

    /// The text side without LoRA files.
    package static let plain = TextSide(own: [], loras: [])

    init(own: [OwnFile], loras: [LoRA]) {
        self.own = own
        self.loras = loras
    }
}

extension Pipeline {
    /// What a plan's texts are encoded by.
    /// - Parameter loras: of the request, those that have updates for text encoders.
    package func textSide(of plan: PhasePlan, loras: [LoRA] = []) -> TextSide {
        adaptedTexts?.side(of: plan.experts, loras: loras) ?? .plain
    }

    /// A digest of what gives conditionings: the text encoders with their tokenizers, and the LoRA files on them.
    package func identity(of side: TextSide) -> String {
        let plain = identity(of: textPart)
        guard side != .plain, let adaptedTexts else { return plain }
        return SHA256.hexadecimal(of: Array(([plain] + adaptedTexts.digests(of: side)).joined(separator: "\n").utf8))
    }

    /// - Throws: `ModelError` if a file of a request is not what it was when the request was settled.
    func promptEncoder(of side: TextSide) throws -> any PromptEncoder {
        guard side != .plain, let adaptedTexts else { return parts.promptEncoder }
        return try adaptedTexts.encoder(of: side)
    }
}
