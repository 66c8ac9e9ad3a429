import Foundation
import PromptText
import Weights

/// What `config.json` says of a Qwen decoder: that of a transformers `Qwen3ForCausalLM`, or the text fields of a
/// `Qwen2_5_VLForConditionalGeneration`, which stand under `text_config`, at the top level, or at both.
package struct QwenConfig: Sendable {
    package let vocabulary: Int
    package let dim: Int
    package let layers: Int
    package let heads: Int
    /// Heads of keys and values; several query heads share one.
    package let kvHeads: Int
    package let headDim: Int
    package let ffnDim: Int
    package let eps: Float
    package let ropeTheta: Double
    /// Pairs of a head that turn by time, row and column where a text has pictures.
    package let sections: [Int]

    /// - Throws: `TextError` that names the file and the field.
    package static func read(_ file: String) throws(TextError) -> QwenConfig {
        try checked(JSONFile.decode(File.self, at: URL(fileURLWithPath: file)).config, file: file)
    }

    /// What came with the weights, else what their shapes tell; keys are transformers'.
    /// - Throws: `TextError` that names the file and the field or key.
    package static func of(_ checkpoint: Checkpoint) throws(TextError) -> QwenConfig {
        guard let configuration = checkpoint.configuration else {
            return try checked(QwenConfig(shapesOf: checkpoint), file: checkpoint.path)
        }
        return try checked(
            JSONFile.decode(File.self, from: configuration.json, named: configuration.source).config,
            file: configuration.source)
    }

    /// The numbers that no shape tells are a GGUF file's, else those of the published models, which agree in them.
    private init(shapesOf checkpoint: Checkpoint) throws(TextError) {
        let prefix = QwenDecoder.prefix { checkpoint.tensors[$0] != nil }
        func shape(_ key: String) throws(TextError) -> [Int] {
            guard let shape = checkpoint.tensors[prefix + key]?.shape, shape.count == 2 else {
                throw .invalid(
                    file: checkpoint.path, field: prefix + key,
                    reason: "is not there, nor a config.json to tell dimensions")
            }
            return shape
        }
        let embedding = try shape("embed_tokens.weight")
        (vocabulary, dim) = (embedding[0], embedding[1])
        // Norms of single heads are Qwen3's.
        headDim = checkpoint.tensors["\(prefix)layers.0.self_attn.q_norm.weight"]?.shape.first.map { max($0, 1) } ?? 128
        heads = try shape("layers.0.self_attn.q_proj.weight")[0] / headDim
        kvHeads = try shape("layers.0.self_attn.k_proj.weight")[0] / headDim
        ffnDim = try shape("layers.0.mlp.gate_proj.weight")[0]
        layers = (0...).first { checkpoint.tensors["\(prefix)layers.\($0).self_attn.q_proj.weight"] == nil } ?? 0
        let family = checkpoint.metadata["general.architecture"] ?? ""
        func written(_ key: String) -> String? { checkpoint.metadata["\(family).\(key)"] }
        if let scaling = written("rope.scaling.type"), scaling != "none" {
            throw .invalid(
                file: checkpoint.path, field: "\(family).rope.scaling.type", reason: "\"\(scaling)\" is not supported")
        }
        eps = written("attention.layer_norm_rms_epsilon").flatMap { Float($0) } ?? 1e-6
        ropeTheta = written("rope.freq_base").flatMap { Double($0) } ?? 1e6
        sections = Self.sections(headDim: headDim)
    }

    /// The published shares of the axes: 16, 24 and 24 of 64.
    private static func sections(headDim: Int) -> [Int] {
        let time = headDim / 8
        let row = (headDim / 2 - time) / 2
        return [time, row, headDim / 2 - time - row]
    }

    private static func checked(_ config: QwenConfig, file: String) throws(TextError) -> QwenConfig {
        let sizes: [(CodingKeys, Int, ClosedRange<Int>)] = [
            (.vocabulary, config.vocabulary, 1...1 << 24), (.dim, config.dim, 1...1 << 16),
            (.layers, config.layers, 1...1024), (.heads, config.heads, 1...1024), (.kvHeads, config.kvHeads, 1...1024),
            (.headDim, config.headDim, 2...1024), (.ffnDim, config.ffnDim, 1...1 << 20),
        ]
        try requireSizes(sizes, in: file)
        guard config.heads % config.kvHeads == 0 else {
            throw .invalid(
                file: file, field: CodingKeys.kvHeads.rawValue,
                reason: "\(config.kvHeads) do not divide the \(config.heads) query heads")
        }
        guard config.headDim % 2 == 0 else {
            throw .invalid(file: file, field: CodingKeys.headDim.rawValue, reason: "\(config.headDim) must be even")
        }
        guard config.eps > 0, config.ropeTheta > 1 else {
            throw .invalid(file: file, field: "rms_norm_eps, rope_theta", reason: "must be above 0 and above 1")
        }
        return config
    }

    /// Whether the shares of the axes are those of a head's pairs, as a text with pictures needs it.
    var hasSections: Bool {
        sections.count == 3 && sections.allSatisfy { 0...headDim ~= $0 } && sections.reduce(0, +) == headDim / 2
    }

    private struct File: Decodable {
        let config: QwenConfig

        private enum Keys: String, CodingKey { case nested = "text_config" }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Keys.self)
            config =
                values.contains(.nested)
                ? try values.decode(QwenConfig.self, forKey: .nested) : try QwenConfig(from: decoder)
        }
    }
}

extension QwenConfig: Decodable {
    private enum CodingKeys: String, CodingKey {
        case vocabulary = "vocab_size"
        case dim = "hidden_size"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case kvHeads = "num_key_value_heads"
        case headDim = "head_dim"
        case ffnDim = "intermediate_size"
        case eps = "rms_norm_eps"
        case activation = "hidden_act"
        case slidingWindow = "use_sliding_window"
        case attentionBias = "attention_bias"
        case ropeTheta = "rope_theta"
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        vocabulary = try values.decode(Int.self, forKey: .vocabulary)
        dim = try values.decode(Int.self, forKey: .dim)
        layers = try values.decode(Int.self, forKey: .layers)
        heads = try values.decode(Int.self, forKey: .heads)
        kvHeads = try values.decodeIfPresent(Int.self, forKey: .kvHeads) ?? heads
        headDim = try values.decodeIfPresent(Int.self, forKey: .headDim) ?? dim / max(heads, 1)
        ffnDim = try values.decode(Int.self, forKey: .ffnDim)
        eps = try values.decode(Float.self, forKey: .eps)
        let rope = try RopeParameters(from: decoder)
        guard let theta = rope.theta else {
            throw DecodingError.keyNotFound(
                CodingKeys.ropeTheta, .init(codingPath: values.codingPath, debugDescription: "no rope_theta"))
        }
        ropeTheta = theta
        sections = rope.sections ?? Self.sections(headDim: headDim)
        func refuse(_ key: CodingKeys, _ what: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: values, debugDescription: "\(what) is not supported")
        }
        let activation = try values.decode(String.self, forKey: .activation)
        guard activation == "silu" else { throw refuse(.activation, "\"\(activation)\"") }
        for key in [CodingKeys.slidingWindow, .attentionBias] {
            if try values.decodeIfPresent(Bool.self, forKey: key) == true { throw refuse(key, "true") }
        }
    }
}
