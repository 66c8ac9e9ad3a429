import Foundation
import PromptText
import Tensor
import Weights

/// Checks of prompt cleaning, tokenizer and text encoder.
struct WanTextChecks {
    private let folder: String
    private let prompts: UMT5PromptEncoder

    init(folder: String, compute: Compute) throws {
        self.folder = folder
        prompts = try UMT5PromptEncoder(pipeline: folder, compute: compute)
    }

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        switch check.name {
        case "tokenizer_ids": return try tokenizer(check, extra: &extra)
        case "text_encoder_hidden", "text_encoder_long": return try encoder(check)
        case "text_encoder_rel_buckets":
            let config = prompts.encoder.config
            let position = RelativePosition(buckets: config.buckets, maxDistance: config.maxDistance)
            return ["bucket": .integers(try check.integers("relative_position").map { position.bucket($0) })]
        case "prompt_embeds": return try embeddings(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    /// One case of `tokenizer_cases.json`.
    private struct Case: Decodable {
        let name: String
        let text: String
        let cleaned: String
    }
    private struct Cases: Decodable {
        let maxLength: Int
        let cases: [Case]
        enum CodingKeys: String, CodingKey {
            case maxLength = "max_length"
            case cases
        }
    }

    /// Cleaning is compared as text, the ids of the cleaned texts with the reference.
    private func tokenizer(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        let file = URL(fileURLWithPath: "\(folder)/\(try check.parameter("cases", as: String.self))")
        guard let cases = try? JSONDecoder().decode(Cases.self, from: Data(contentsOf: file)) else {
            throw VerificationError.badFixture("\(file.path) has no \"max_length\" and list of \"cases\"")
        }
        var ids: [Int] = []
        var mask: [Int] = []
        for one in cases.cases {
            let cleaned = PromptCleaning.clean(one.text)
            let equal = cleaned == one.cleaned
            extra.append(
                Comparison(
                    check, "cleaned \(one.name)", error: equal ? 0 : nil, passed: equal,
                    note: equal ? "" : "\"\(cleaned)\" instead of \"\(one.cleaned)\""))
            let tokens = prompts.tokenizer.encode(cleaned, paddedTo: cases.maxLength)
            ids += tokens.ids
            mask += tokens.ids.indices.map { $0 < tokens.count ? 1 : 0 }
        }
        return ["input_ids": .integers(ids), "attention_mask": .integers(mask)]
    }

    private func encoder(_ check: GoldenCheck) throws -> [String: Computed] {
        let states = try hiddenStates(check) { ids, onHidden in
            _ = try prompts.encoder.encode(ids, onHidden: onHidden)
        }
        var results = Dictionary(
            uniqueKeysWithValues: states.enumerated().map { ("hidden_states.\($0)", Computed.tensor($1)) })
        results["last_hidden_state"] = states.last.map { .tensor($0) }
        return results
    }

    private func embeddings(_ check: GoldenCheck) throws -> [String: Computed] {
        func encode(_ texts: [String]) throws -> Computed {
            .tensor(stacked(try texts.map { try prompts.paddedEmbedding(of: $0) }))
        }
        return [
            "prompt_embeds": try encode(check.parameter("prompts")),
            "e2e_prompt_embeds": try encode([check.parameter("e2e_prompt")]),
            "e2e_negative_prompt_embeds": try encode([check.parameter("e2e_negative_prompt")]),
        ]
    }
}
