import Tensor

/// Checks of FLUX.2-klein's text side.
struct Flux2TextChecks {
    private let qwen: Qwen3Checks
    private let prompts: Flux2PromptEncoder

    init(folder: String, compute: Compute) throws {
        qwen = Qwen3Checks(folder: folder, compute: compute)
        prompts = Flux2PromptEncoder(
            tokenizer: try qwen.tokenizer(), encoder: try qwen.encoder { _ in Flux2PromptEncoder.states })
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "tokenizer_ids": return try qwen.tokenizer(check, ids: prompts.ids)
        case "text_encoder_hidden":
            // Of all states those that the reference has.
            return try qwen.hiddenStates(check).filter { check.outputs[$0.key] != nil }
        case "text_encoder_rope": return try qwen.rope(check)
        case "prompt_embeds": return try embeddings(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private func embeddings(_ check: GoldenCheck) throws -> [String: Computed] {
        func one(_ name: String) throws -> Computed { .tensor(try prompts.rows(of: check.parameter(name))) }
        return [
            "e2e_prompt_embeds": try one("e2e_prompt"), "long_prompt_embeds": try one("long"),
            "e2e_negative_prompt_embeds": try one("e2e_negative_prompt"),
        ]
    }

    /// What the network reads of a prompt.
    func conditioning(_ prompt: String) throws -> Conditioning { Conditioning(rows: try prompts.rows(of: prompt)) }
}
