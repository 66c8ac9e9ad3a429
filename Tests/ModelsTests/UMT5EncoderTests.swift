import Foundation
import Models
import PromptText
import Tensor
import TestSupport
import Testing
import Weights

struct UMT5EncoderTests {
    private let compute = Compute(threads: 2)

    private func encoder() throws -> UMT5Encoder {
        let folder = Fixtures.wan.appending(path: "text_encoder").path
        return try UMT5Encoder(
            WeightReader(Checkpoint(folder: folder)), config: UMT5Config.read("\(folder)/config.json"),
            compute: compute)
    }

    @Test func bucketsOfRelativePositions() throws {
        let check = try ReferenceCheck("text_encoder_rel_buckets")
        let position = RelativePosition(buckets: 32, maxDistance: 128)
        let distances = try check.integers("in.relative_position")
        #expect(distances.count == 601)
        #expect(try distances.map(position.bucket) == check.integers("out.bucket"))
    }

    /// Every layer of three prompts of different length.
    @Test func hiddenStates() throws {
        let check = try ReferenceCheck("text_encoder_hidden")
        let encoder = try encoder()
        let rows = try check.rowsOfTokens()
        #expect(rows.count == 3)
        let expected = try (0...encoder.config.layers).map { try check.tensor("out.hidden_states.\($0)") }
        for (row, ids) in rows.enumerated() {
            var hidden: [Tensor] = []
            let last = try encoder.encode(ids, onHidden: { hidden.append($0) })
            #expect(hidden.count == expected.count)
            for (values, expected) in zip(hidden, expected) { try check.expectRows(values, equal: expected[row]) }
            try check.expectRows(last, equal: check.tensor("out.last_hidden_state")[row])
        }
    }

    /// Distances beyond the last bucket's.
    @Test func longPrompt() throws {
        let check = try ReferenceCheck("text_encoder_long")
        let ids = try #require(try check.rowsOfTokens().first)
        #expect(ids.count == 512)
        try check.expectRows(encoder().encode(ids), equal: check.tensor("out.last_hidden_state")[0])
    }

    @Test func promptsFromText() throws {
        let check = try ReferenceCheck("prompt_embeds")
        let prompts = try UMT5PromptEncoder(pipeline: Fixtures.wan.path, compute: compute)
        let expected = try check.tensor("out.prompt_embeds")
        #expect(check.prompts.count == 4)
        for (index, prompt) in check.prompts.enumerated() {
            let embedding = try prompts.paddedEmbedding(of: prompt)
            #expect(embedding.shape == [512, 32])
            try check.expectRows(embedding, equal: expected[index])
        }
        for (name, prompt) in try [
            ("out.e2e_prompt_embeds", #require(check.endToEndPrompt)),
            ("out.e2e_negative_prompt_embeds", #require(check.endToEndNegativePrompt)),
        ] {
            try check.expectRows(prompts.paddedEmbedding(of: prompt), equal: check.tensor(name)[0])
        }
    }

    @Test func doesNotDependOnThreads() throws {
        let folder = Fixtures.wan.path
        let one = try UMT5PromptEncoder(pipeline: folder, compute: Compute(threads: 1))
        let four = try UMT5PromptEncoder(pipeline: folder, compute: Compute(threads: 4))
        let prompt = "A cat surfing on a big wave at sunset"
        #expect(try one.rows(of: prompt).array == four.rows(of: prompt).array)
    }

    /// The whole checkpoint is used, and the embedding is found under its other name.
    @Test func readsTheEmbeddingUnderEitherName() throws {
        let folder = Fixtures.wan.appending(path: "text_encoder").path
        let reader = WeightReader(try Checkpoint(folder: folder))
        let config = try UMT5Config.read("\(folder)/config.json")
        let ids = [310, 774, 260, 1]
        let expected = try UMT5Encoder(reader, config: config, compute: compute).encode(ids)
        #expect(reader.unusedKeys.isEmpty)

        try withTemporaryFolder { copy in
            for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
                let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
                let renamed =
                    name.hasSuffix(".safetensors")
                    ? try renamingEmbedding(inSafetensors: data) : renamingEmbedding(data)
                try renamed.write(to: copy.appending(path: name))
            }
            let reader = WeightReader(try Checkpoint(folder: copy.path))
            #expect(!reader.contains("shared.weight"))
            #expect(try UMT5Encoder(reader, config: config, compute: compute).encode(ids).array == expected.array)
        }
    }

    private func renamingEmbedding(_ json: Data) -> Data {
        let text = String(decoding: json, as: UTF8.self)
        return Data(text.replacingOccurrences(of: "\"shared.weight\"", with: "\"encoder.embed_tokens.weight\"").utf8)
    }

    /// The same for the header of a safetensors file, whose length in bytes stands before it.
    private func renamingEmbedding(inSafetensors data: Data) throws -> Data {
        let length = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = renamingEmbedding(data[8..<8 + length])
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header + data[(8 + length)...]
    }

    @Test func refusesIdsOutsideTheVocabulary() throws {
        let encoder = try encoder()
        for ids in [[], [-1], [0, 1344]] {
            #expect(throws: TextError.self) { try encoder.encode(ids) }
        }
    }

    @Test(arguments: [
        (#""d_model": 0"#, "d_model"), (#""d_kv": "8""#, "d_kv"), (#""num_layers": -1"#, "num_layers"),
        (#""relative_attention_num_buckets": 6"#, "relative_attention_num_buckets"),
        (#""relative_attention_max_distance": 4"#, "relative_attention_num_buckets"),
        (#""feed_forward_proj": "relu""#, "feed_forward_proj"), (#""layer_norm_epsilon": null"#, "layer_norm_epsilon"),
        (#""vocab_size": 1e30"#, ""),
    ])
    func namesTheDamagedField(setting: String, field: String) throws {
        let json = try String(contentsOf: Fixtures.wan.appending(path: "text_encoder/config.json"), encoding: .utf8)
        let key = setting.prefix { $0 != ":" }
        let line = try #require(json.split(separator: "\n").first { $0.contains(key) })
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "config.json")
            try Data(json.replacingOccurrences(of: line, with: setting + ",").utf8).write(to: file)
            let error = #expect(throws: TextError.self) { try UMT5Config.read(file.path) }
            if case .invalid(_, let named, _) = error { #expect(named == field) } else { #expect(field.isEmpty) }
        }
    }

    /// Configurations of newer transformers nest the fields.
    @Test func readsANestedConfig() throws {
        let url = Fixtures.wan.appending(path: "text_encoder/config.json")
        let json = try String(contentsOf: url, encoding: .utf8)
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "config.json")
            try Data(#"{"model_type": "umt5", "text_config": \#(json)}"#.utf8).write(to: file)
            let config = try UMT5Config.read(file.path)
            #expect(config.dim == 32 && config.heads == 4 && config.ffnDim == 80 && config.vocabulary == 1344)
        }
    }
}
