import Foundation
import PromptText
import Tensor
import Weights

/// `config.json` of a transformers `UMT5EncoderModel`, its fields at the top level or under `text_config`.
package struct UMT5Config: Sendable {
    package let vocabulary: Int
    package let dim: Int
    package let layers: Int
    package let heads: Int
    package let headDim: Int
    package let ffnDim: Int
    package let buckets: Int
    package let maxDistance: Int
    package let eps: Float
    /// The activation of the gate in the feed-forward layers.
    package let activation: Activation

    /// - Throws: `TextError` that names the file and the field.
    package static func read(_ file: String) throws(TextError) -> UMT5Config {
        try checked(JSONFile.decode(File.self, at: URL(fileURLWithPath: file)).config, file: file)
    }

    /// What came with the weights, else what their shapes tell; keys are transformers' (`UMT5Keys.encoder`).
    /// - Throws: `TextError` that names the file and the field or key.
    package static func of(_ checkpoint: Checkpoint) throws(TextError) -> UMT5Config {
        guard let configuration = checkpoint.configuration else {
            return try checked(UMT5Config(shapesOf: checkpoint), file: checkpoint.path)
        }
        return try checked(
            JSONFile.decode(File.self, from: configuration.json, named: configuration.source).config,
            file: configuration.source)
    }

    /// The numbers that no shape tells are those of every published UMT5.
    private init(shapesOf checkpoint: Checkpoint) throws(TextError) {
        func shape(_ keys: String...) throws(TextError) -> [Int] {
            guard let shape = keys.lazy.compactMap({ checkpoint.tensors[$0]?.shape }).first, shape.count == 2 else {
                throw .invalid(
                    file: checkpoint.path, field: keys[0], reason: "is not there, nor a config.json to tell dimensions")
            }
            return shape
        }
        let embedding = try shape("shared.weight", "encoder.embed_tokens.weight")
        let positions = try shape("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight")
        vocabulary = embedding[0]
        dim = embedding[1]
        buckets = positions[0]
        heads = positions[1]
        headDim = try shape("encoder.block.0.layer.0.SelfAttention.q.weight")[0] / max(heads, 1)
        ffnDim = try shape("encoder.block.0.layer.1.DenseReluDense.wi_0.weight")[0]
        layers = (0...).first { checkpoint.tensors["encoder.block.\($0).layer.0.SelfAttention.q.weight"] == nil } ?? 0
        maxDistance = 128
        eps = 1e-6
        activation = .geluTanh
    }

    private struct File: Decodable {
        let config: UMT5Config

        private enum Keys: String, CodingKey {
            case nested = "text_config"
            case dim = "d_model"
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Keys.self)
            let isFlat = values.contains(.dim) || !values.contains(.nested)
            config = isFlat ? try UMT5Config(from: decoder) : try values.decode(UMT5Config.self, forKey: .nested)
        }
    }

    private static func checked(_ config: UMT5Config, file: String) throws(TextError) -> UMT5Config {
        let sizes: [(CodingKeys, Int, ClosedRange<Int>)] = [
            (.vocabulary, config.vocabulary, 1...1 << 24), (.dim, config.dim, 1...1 << 16),
            (.layers, config.layers, 1...1024), (.heads, config.heads, 1...1024), (.headDim, config.headDim, 1...1024),
            (.ffnDim, config.ffnDim, 1...1 << 20), (.buckets, config.buckets, 4...4096),
            (.maxDistance, config.maxDistance, 1...1 << 20),
        ]
        try requireSizes(sizes, in: file)
        guard config.buckets % 4 == 0, config.maxDistance > config.buckets / 4 else {
            throw .invalid(
                file: file, field: CodingKeys.buckets.rawValue,
                reason: "\(config.buckets) do not split into near and far ones up to \(config.maxDistance)")
        }
        guard config.eps > 0 else {
            throw .invalid(file: file, field: CodingKeys.eps.rawValue, reason: "must be positive")
        }
        return config
    }
}

extension UMT5Config: Decodable {
    private enum CodingKeys: String, CodingKey {
        case vocabulary = "vocab_size"
        case dim = "d_model"
        case layers = "num_layers"
        case heads = "num_heads"
        case headDim = "d_kv"
        case ffnDim = "d_ff"
        case buckets = "relative_attention_num_buckets"
        case maxDistance = "relative_attention_max_distance"
        case eps = "layer_norm_epsilon"
        case activation = "feed_forward_proj"
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        vocabulary = try values.decode(Int.self, forKey: .vocabulary)
        dim = try values.decode(Int.self, forKey: .dim)
        layers = try values.decode(Int.self, forKey: .layers)
        heads = try values.decode(Int.self, forKey: .heads)
        headDim = try values.decode(Int.self, forKey: .headDim)
        ffnDim = try values.decode(Int.self, forKey: .ffnDim)
        buckets = try values.decode(Int.self, forKey: .buckets)
        maxDistance = try values.decode(Int.self, forKey: .maxDistance)
        eps = try values.decode(Float.self, forKey: .eps)
        switch try values.decode(String.self, forKey: .activation) {
        case "gated-gelu": activation = .geluTanh
        case "gated-silu": activation = .silu
        case let other:
            throw DecodingError.dataCorruptedError(
                forKey: .activation, in: values, debugDescription: "\"\(other)\" is not supported")
        }
    }
}
