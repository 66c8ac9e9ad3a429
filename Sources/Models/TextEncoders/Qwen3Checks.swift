import Foundation
import PromptText
import Tensor
import Weights

/// Checks of Qwen3 as a text encoder: its tokenizer, its layers, its positions.
struct Qwen3Checks {
    private let folder: String
    private let compute: Compute

    init(folder: String, compute: Compute) {
        self.folder = folder
        self.compute = compute
    }

    /// - Parameter states: which hidden states the encoder gives, of its configuration.
    func encoder(states: (QwenConfig) -> [Int]) throws -> Qwen3Encoder {
        let config = try QwenConfig.read("\(folder)/text_encoder/config.json")
        let reader = WeightReader(try Checkpoint(folder: "\(folder)/text_encoder"))
        return try Qwen3Encoder(reader, config: config, states: states(config), compute: compute)
    }

    func tokenizer() throws -> BytePairTokenizer {
        try BytePairTokenizer(directory: URL(fileURLWithPath: "\(folder)/tokenizer"))
    }

    private struct Cases: Decodable {
        struct Case: Decodable { let text: String }
        let cases: [Case]
    }

    /// - Parameter ids: of a prompt, as the pipeline makes them.
    func tokenizer(_ check: GoldenCheck, ids: (String) -> [Int]) throws -> [String: Computed] {
        let file = URL(fileURLWithPath: "\(folder)/\(try check.parameter("cases", as: String.self))")
        guard let cases = try? JSONDecoder().decode(Cases.self, from: Data(contentsOf: file)).cases else {
            throw VerificationError.badFixture("\(file.path) has no list of \"cases\"")
        }
        let ids = cases.map { ids($0.text) }
        let offsets = ids.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
        return ["ids": .integers(ids.flatMap { $0 }), "offsets": .integers(offsets)]
    }

    /// All hidden states, those beyond the ones that the pipeline uses among them.
    func hiddenStates(_ check: GoldenCheck) throws -> [String: Computed] {
        let encoder = try encoder { Array(0...$0.layers) }
        let states = try Models.hiddenStates(check) { ids, onHidden in
            try encoder.encode(ids).forEach(onHidden)
        }
        return Dictionary(uniqueKeysWithValues: states.enumerated().map { ("hidden_states.\($0)", .tensor($1)) })
    }

    /// The reference repeats the angles for both halves of a head.
    func rope(_ check: GoldenCheck) throws -> [String: Computed] {
        let positions = try check.integers("position_ids")
        let config = try QwenConfig.read("\(folder)/text_encoder/config.json")
        let table = config.rope(count: (positions.max() ?? -1) + 1)
        func rows(_ x: Tensor) -> Computed {
            .tensor(stacked(positions.map { Tensor(x[$0].array + x[$0].array, shape: [2 * x.shape[1]]) }))
        }
        return ["cos": rows(table.cosine), "sin": rows(table.sine)]
    }
}
