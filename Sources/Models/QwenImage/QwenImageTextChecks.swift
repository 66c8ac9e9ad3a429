import Foundation
import PromptText
import Tensor
import Weights

/// Checks of Qwen-Image's tokenizer and text encoder.
struct QwenImageTextChecks {
    private let folder: String
    private let prompts: QwenImagePromptEncoder

    init(folder: String, compute: Compute) throws {
        self.folder = folder
        let reader = WeightReader(try Checkpoint(folder: "\(folder)/text_encoder"))
        prompts = QwenImagePromptEncoder(
            tokenizer: try BytePairTokenizer(directory: URL(fileURLWithPath: "\(folder)/tokenizer")),
            encoder: try Qwen25Encoder(
                reader, config: try QwenConfig.read("\(folder)/text_encoder/config.json"), compute: compute))
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "tokenizer_ids": return try qwenTokenizerCheck(check, folder: folder) { prompts.ids(of: $0) }
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
        func rows(_ name: String) throws -> Computed { .tensor(try prompts.rows(of: check.parameter(name))) }
        let batch = try check.parameter("prompts", as: [String].self).map { try prompts.rows(of: $0) }
        let length = batch.map { $0.shape[0] }.max() ?? 0
        return [
            "prompt_embeds": .tensor(stacked(batch.map { padded($0, to: length) })),
            "mask": .integers(batch.flatMap { rows in (0..<length).map { $0 < rows.shape[0] ? 1 : 0 } }),
            "e2e_prompt_embeds": try rows("e2e_prompt"), "e2e_negative_prompt_embeds": try rows("e2e_negative_prompt"),
            "long_prompt_embeds": try rows("long"),
        ]
    }
}

/// A check of the ids of many texts, one after the other.
func qwenTokenizerCheck(
    _ check: GoldenCheck, folder: String, ids: (String) -> [Int]
) throws -> [String: Computed] {
    struct Cases: Decodable {
        struct Case: Decodable { let text: String }
        let cases: [Case]
    }
    let file = URL(fileURLWithPath: "\(folder)/\(try check.parameter("cases", as: String.self))")
    guard let cases = try? JSONDecoder().decode(Cases.self, from: Data(contentsOf: file)).cases else {
        throw VerificationError.badFixture("\(file.path) has no list of \"cases\"")
    }
    let all = cases.map { ids($0.text) }
    let offsets = all.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    return ["ids": .integers(all.flatMap { $0 }), "offsets": .integers(offsets)]
}
