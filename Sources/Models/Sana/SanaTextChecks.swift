import Foundation
import PromptText
import Tensor
import Weights

/// Checks of SANA's text side.
struct SanaTextChecks {
    private let folder: String
    private let prompts: SanaPromptEncoder

    init(folder: String, compute: Compute) throws {
        self.folder = folder
        prompts = SanaPromptEncoder(
            tokenizer: try GemmaTokenizer(directory: URL(fileURLWithPath: "\(folder)/tokenizer")),
            encoder: try Gemma2Encoder(
                WeightReader(try Checkpoint(folder: "\(folder)/text_encoder")),
                config: try Gemma2Config.read("\(folder)/text_encoder/config.json"), compute: compute))
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "tokenizer_ids": return try tokenizer(check)
        case "tokenizer_ids_instructed": return try instructed(check)
        case "text_encoder_hidden":
            let states = try hiddenStates(check) { ids, onHidden in
                _ = try prompts.encoder.encode(ids, onHidden: onHidden)
            }
            return Dictionary(
                uniqueKeysWithValues: states.enumerated().map { ("hidden_states.\($0)", .tensor($1)) })
        case "text_encoder_rope": return try rope(check)
        case "prompt_embeds": return try embeddings(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private struct Cases: Decodable {
        struct Case: Decodable { let name, text: String }
        let cases: [Case]
    }

    private func cases(_ file: String) throws -> [Cases.Case] {
        let url = URL(fileURLWithPath: "\(folder)/\(file)")
        guard let cases = try? JSONDecoder().decode(Cases.self, from: Data(contentsOf: url)).cases else {
            throw VerificationError.badFixture("\(url.path) has no list of \"cases\"")
        }
        return cases
    }

    /// The ids of the cases as negative prompts, which have no instruction.
    private func tokenizer(_ check: GoldenCheck) throws -> [String: Computed] {
        let ids = try cases(check.parameter("cases")).map { prompts.ids(of: SanaPromptEncoder.negativeMark + $0.text) }
        let offsets = ids.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
        return ["ids": .integers(ids.flatMap { $0 }), "offsets": .integers(offsets)]
    }

    private func instructed(_ check: GoldenCheck) throws -> [String: Computed] {
        let lines: [String] = try check.parameter("instruction")
        guard lines.joined(separator: "\n") == SanaPromptEncoder.instruction else {
            throw VerificationError.badFixture("\(check.name): the instruction is another one than SANA's")
        }
        return Dictionary(
            uniqueKeysWithValues: try cases("reference/tokenizer_cases.json").map {
                ($0.name, .integers(prompts.ids(of: $0.text)))
            })
    }

    /// The reference repeats the angles for both halves of a head.
    private func rope(_ check: GoldenCheck) throws -> [String: Computed] {
        let positions = try check.integers("position_ids")
        let table = prompts.encoder.config.rope(count: (positions.max() ?? -1) + 1)
        func rows(_ x: Tensor) -> Computed {
            .tensor(stacked(positions.map { Tensor(x[$0].array + x[$0].array, shape: [2 * x.shape[1]]) }))
        }
        return ["cos": rows(table.cosine), "sin": rows(table.sine)]
    }

    private func embeddings(_ check: GoldenCheck) throws -> [String: Computed] {
        var results: [String: Computed] = [:]
        func add(_ name: String, _ text: String) throws {
            let rows = try prompts.rows(of: text)
            results["\(name)_embeds"] = .tensor(padded(rows, to: prompts.length))
            results["\(name)_mask"] = .integers((0..<prompts.length).map { $0 < rows.shape[0] ? 1 : 0 })
        }
        try add("e2e_prompt", check.parameter("e2e_prompt"))
        try add("e2e_long_prompt", check.parameter("e2e_long_prompt"))
        try add("long_prompt", check.parameter("long"))
        try add("e2e_negative_prompt", SanaPromptEncoder.negativeMark + check.parameter("e2e_negative_prompt"))
        return results
    }

    func conditioning(of prompt: String) throws -> Conditioning { Conditioning(rows: try prompts.rows(of: prompt)) }
}
