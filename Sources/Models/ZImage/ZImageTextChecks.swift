import Tensor

/// Checks of Z-Image's text side.
struct ZImageTextChecks {
    private let qwen: Qwen3Checks
    private let prompts: ZImagePromptEncoder

    init(folder: String, compute: Compute) throws {
        qwen = Qwen3Checks(folder: folder, compute: compute)
        prompts = ZImagePromptEncoder(
            tokenizer: try qwen.tokenizer(), encoder: try qwen.encoder(states: ZImagePromptEncoder.states))
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "tokenizer_ids": return try qwen.tokenizer(check, ids: prompts.ids)
        case "text_encoder_hidden": return try qwen.hiddenStates(check)
        case "text_encoder_rope": return try qwen.rope(check)
        case "prompt_embeds": return try embeddings(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private func embeddings(_ check: GoldenCheck) throws -> [String: Computed] {
        let batch = try check.parameter("prompts", as: [String].self).map { try prompts.rows(of: $0) }
        let length = batch.map { $0.shape[0] }.max() ?? 0
        func one(_ name: String) throws -> Computed { .tensor(try prompts.rows(of: check.parameter(name))) }
        return [
            "prompt_embeds": .tensor(stacked(batch.map { padded($0, to: length) })),
            "mask": .integers(batch.flatMap { rows in (0..<length).map { $0 < rows.shape[0] ? 1 : 0 } }),
            "e2e_prompt_embeds": try one("e2e_prompt"), "e2e_long_prompt_embeds": try one("e2e_long_prompt"),
            "e2e_negative_prompt_embeds": try one("e2e_negative_prompt"), "long_prompt_embeds": try one("long"),
            "empty_prompt_embeds": try one("empty"),
        ]
    }
}
