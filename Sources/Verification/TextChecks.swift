import Foundation
import Tensor
import Text
import Weights

/// Checks of prompt cleaning, tokenizer and text encoder.
struct TextChecks {
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

    /// Each row of ids alone; padded positions, which are never computed, are zero in the reference.
    private func encoder(_ check: GoldenCheck) throws -> [String: Computed] {
        guard let shape = check.inputs["input_ids"]?.shape, shape.count == 2 else {
            throw VerificationError.badFixture("\(check.name): input_ids is not [rows, length]")
        }
        let (ids, mask) = (try check.integers("input_ids"), try check.integers("attention_mask"))
        var stages: [[Tensor]] = []
        for row in 0..<shape[0] {
            let range = row * shape[1]..<(row + 1) * shape[1]
            let count = mask[range].reduce(0, +)
            var hidden: [Tensor] = []
            _ = try prompts.encoder.encode(
                Array(ids[range].prefix(count)), onHidden: { hidden.append(padded($0, to: shape[1])) })
            stages.append(hidden)
        }
        var results: [String: Computed] = [:]
        let depth = stages.first?.count ?? 0
        for stage in 0..<depth {
            let value = Tensor.concatenate(stages.map { $0[stage].reshaped([1] + $0[stage].shape) })
            results["hidden_states.\(stage)"] = .tensor(value)
            if stage == depth - 1 { results["last_hidden_state"] = .tensor(value) }
        }
        return results
    }

    private func embeddings(_ check: GoldenCheck) throws -> [String: Computed] {
        func encode(_ texts: [String]) throws -> Computed {
            .tensor(
                Tensor.concatenate(
                    try texts.map { text in
                        let embedding = try prompts.paddedEmbedding(of: text)
                        return embedding.reshaped([1] + embedding.shape)
                    }))
        }
        return [
            "prompt_embeds": try encode(check.parameter("prompts")),
            "e2e_prompt_embeds": try encode([check.parameter("e2e_prompt")]),
            "e2e_negative_prompt_embeds": try encode([check.parameter("e2e_negative_prompt")]),
        ]
    }

    private func padded(_ x: Tensor, to length: Int) -> Tensor {
        x.shape[0] < length ? Tensor.concatenate([x, Tensor(zeros: [length - x.shape[0], x.shape[1]])]) : x
    }
}
