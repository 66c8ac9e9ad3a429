import Foundation
import PromptText
import Tensor
import Weights

/// Checks of SDXL's text side: two tokenizers, two encoders, what the pipeline makes of a prompt.
struct SDXLTextChecks {
    private let folder: String
    private let prompts: SDXLPromptEncoder

    /// - Parameter loras: files on both encoders.
    init(folder: String, compute: Compute, loras: [(file: String, strength: Float)] = []) throws {
        self.folder = folder
        let family = SDXLFamily()
        let readers = try family.textReaders(
            family.textEncoders.map { try Checkpoint(folder: "\(folder)/\($0.folder)") },
            loras: loras.map { (try Checkpoint(file: "\(folder)/\($0.file)"), $0.strength) })
        prompts = try family.prompts(
            readers, tokenizer: { URL(fileURLWithPath: "\(folder)/\($0)") }, compute: compute)
        for reader in readers.values { try reader.requireAdaptersUsed() }
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "tokenizer_ids": return try ids(check, prompts.tokenizer)
        case "tokenizer_2_ids": return try ids(check, prompts.tokenizer2)
        case "text_encoder_hidden": return try hidden(check, prompts.encoder)
        case "text_encoder_2_hidden": return try hidden(check, prompts.encoder2)
        case "prompt_embeds": return try embeddings(check)
        case "text_lora_s1":
            let made = try prompts.encode(check.parameter("prompt")) {}
            return [
                "prompt_embeds": .tensor(made.rows),
                "pooled": .tensor(made.tensors[SDXLPromptEncoder.pooledName] ?? Tensor(zeros: [0])),
            ]
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private struct Cases: Decodable {
        struct Case: Decodable { let text: String }
        let cases: [Case]
    }

    private func ids(_ check: GoldenCheck, _ tokenizer: CLIPTokenizer) throws -> [String: Computed] {
        let file = URL(fileURLWithPath: "\(folder)/\(try check.parameter("cases", as: String.self))")
        guard let cases = try? JSONDecoder().decode(Cases.self, from: Data(contentsOf: file)).cases else {
            throw VerificationError.badFixture("\(file.path) has no list of \"cases\"")
        }
        return ["ids": .integers(cases.flatMap { tokenizer.encode($0.text, paddedTo: prompts.length).ids })]
    }

    private func hidden(_ check: GoldenCheck, _ encoder: CLIPTextEncoder) throws -> [String: Computed] {
        guard let shape = check.inputs["input_ids"]?.shape, shape.count == 2 else {
            throw VerificationError.badFixture("\(check.name): input_ids is not [rows, length]")
        }
        let all = try check.integers("input_ids")
        let rows = (0..<shape[0]).map { Array(all[$0 * shape[1]..<($0 + 1) * shape[1]]) }
        let states = try rows.map { try encoder.states(of: $0) }
        let last = states.map { $0[$0.count - 1] }
        var results: [String: Computed] = [
            "last_hidden_state": .tensor(stacked(last.map(encoder.normed))),
            "text_embeds": .tensor(stacked(zip(last, rows).map { encoder.pooled($0, ids: $1) })),
        ]
        for index in 0...encoder.config.layers {
            results["hidden_states.\(index)"] = .tensor(stacked(states.map { $0[index] }))
        }
        return results
    }

    private func embeddings(_ check: GoldenCheck) throws -> [String: Computed] {
        var results: [String: Computed] = [:]
        func add(_ name: String, _ conditioning: Conditioning) {
            results["\(name)_embeds"] = .tensor(conditioning.rows)
            results["\(name)_pooled"] = conditioning.tensors[SDXLPromptEncoder.pooledName].map { .tensor($0) }
        }
        func text(_ name: String) throws -> String { try check.parameter(name) }
        for name in ["e2e_prompt", "e2e_long_prompt", "e2e_negative_prompt"] {
            add(name, try prompts.encode(text(name)) {})
        }
        for name in ["empty", "special", "bang"] { add("\(name)_prompt", try prompts.encode(text(name)) {}) }
        let (first, second) = (try text("e2e_prompt"), try text("e2e_negative_prompt"))
        add("two_prompts", try prompts.encode(first, second: second))
        add("clip_skip1", try prompts.encode(first, second: first, skipped: 1))
        add("zero_negative", try prompts.encode(SDXLPromptEncoder.absent) {})
        return results
    }
}
