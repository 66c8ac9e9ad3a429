import Tensor
import Weights

/// `config.json` of a transformers `Gemma2Model` or `Gemma2ForCausalLM`.
package struct Gemma2Config: NetworkConfiguration {
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
    /// Scores are divided by the root of this.
    package let scoreScalar: Float
    /// Scores s become cap * tanh(s / cap).
    package let scoreCap: Float
    /// Rows that every other layer sees at most.
    package let window: Int

    /// The longest text that is encoded with it; shorter windows would have to be built.
    private static let longest = 1024

    package func check(file: String) throws(NetworkError) {
        try requireRange(vocabulary, 1...1 << 24, "vocab_size", in: file)
        try requireRange(dim, 1...1 << 16, "hidden_size", in: file)
        try requireRange(layers, 1...1024, "num_hidden_layers", in: file)
        try requireRange(heads, 1...1024, "num_attention_heads", in: file)
        try requireRange(kvHeads, 1...1024, "num_key_value_heads", in: file)
        try requireRange(headDim, 2...1024, "head_dim", in: file)
        try requireRange(ffnDim, 1...1 << 20, "intermediate_size", in: file)
        guard heads % kvHeads == 0, headDim % 2 == 0 else {
            throw .badConfiguration(
                file: file,
                reason: "\"num_key_value_heads\" \(kvHeads) must divide \"num_attention_heads\" \(heads), and "
                    + "\"head_dim\" \(headDim) be even")
        }
        guard eps > 0, ropeTheta > 1, scoreScalar > 0, scoreCap >= 0, scoreScalar.isFinite, scoreCap.isFinite else {
            throw .badConfiguration(
                file: file,
                reason: "\"rms_norm_eps\", \"query_pre_attn_scalar\" and \"rope_theta\" must be above 0, 0 and 1")
        }
        guard window >= Self.longest else {
            throw .unsupported(
                file: file,
                reason: "sliding_window \(window): windows below \(Self.longest) rows, which texts may reach")
        }
    }

    /// Angles `[count, headDim / 2]`: position times theta^(-2j / headDim), in float32 as the reference has them.
    package func rope(count: Int) -> RotaryTable {
        .standard(count: count, headDim: headDim, theta: ropeTheta)
    }
}

extension Gemma2Config {
    private enum CodingKeys: String, CodingKey {
        case vocabulary = "vocab_size"
        case dim = "hidden_size"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case kvHeads = "num_key_value_heads"
        case headDim = "head_dim"
        case ffnDim = "intermediate_size"
        case eps = "rms_norm_eps"
        case scoreScalar = "query_pre_attn_scalar"
        case scoreCap = "attn_logit_softcapping"
        case window = "sliding_window"
        case activation = "hidden_activation"
        case attentionBias = "attention_bias"
        case modelType = "model_type"
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func refuse(_ key: CodingKeys, _ what: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: values, debugDescription: "\(what) is not supported")
        }
        let type = try values.decodeIfPresent(String.self, forKey: .modelType) ?? "gemma2"
        guard type == "gemma2" else { throw refuse(.modelType, "\"\(type)\"") }
        let activation = try values.decodeIfPresent(String.self, forKey: .activation) ?? "gelu_pytorch_tanh"
        guard activation == "gelu_pytorch_tanh" else { throw refuse(.activation, "\"\(activation)\"") }
        guard try values.decodeIfPresent(Bool.self, forKey: .attentionBias) != true else {
            throw refuse(.attentionBias, "true")
        }
        vocabulary = try values.decode(Int.self, forKey: .vocabulary)
        dim = try values.decode(Int.self, forKey: .dim)
        layers = try values.decode(Int.self, forKey: .layers)
        heads = try values.decode(Int.self, forKey: .heads)
        kvHeads = try values.decode(Int.self, forKey: .kvHeads)
        headDim = try values.decodeIfPresent(Int.self, forKey: .headDim) ?? 256
        ffnDim = try values.decode(Int.self, forKey: .ffnDim)
        eps = try values.decodeIfPresent(Float.self, forKey: .eps) ?? 1e-6
        ropeTheta = try RopeParameters(from: decoder).theta ?? 10000
        scoreScalar = try values.decodeIfPresent(Float.self, forKey: .scoreScalar) ?? 256
        // null turns it off; transformers' own is on.
        scoreCap = values.contains(.scoreCap) ? try values.decodeIfPresent(Float.self, forKey: .scoreCap) ?? 0 : 50
        window = try values.decodeIfPresent(Int.self, forKey: .window) ?? 4096
    }

    /// The numbers that no shape tells are a GGUF file's, else those of gemma-2-2b.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        let prefix = Gemma2Keys.prefix { checkpoint.tensors[$0] != nil }
        let embedding = try checkpoint.shape(of: "\(prefix)embed_tokens.weight", axes: 2)
        (vocabulary, dim) = (embedding[0], embedding[1])
        let metadata = checkpoint.metadata
        headDim = max(metadata["gemma2.attention.key_length"].flatMap { Int($0) } ?? 256, 1)
        let first = "\(prefix)layers.0"
        heads = max(try checkpoint.shape(of: "\(first).self_attn.q_proj.weight", axes: 2)[0] / headDim, 1)
        kvHeads = max(try checkpoint.shape(of: "\(first).self_attn.k_proj.weight", axes: 2)[0] / headDim, 1)
        ffnDim = try checkpoint.shape(of: "\(first).mlp.gate_proj.weight", axes: 2)[0]
        layers = checkpoint.blocks(after: "\(prefix)layers.")
        eps = metadata["gemma2.attention.layer_norm_rms_epsilon"].flatMap { Float($0) } ?? 1e-6
        ropeTheta = metadata["gemma2.rope.freq_base"].flatMap { Double($0) } ?? 10000
        scoreCap = metadata["gemma2.attn_logit_softcapping"].flatMap { Float($0) } ?? 50
        window = metadata["gemma2.attention.sliding_window"].flatMap { Int($0) } ?? 4096
        // Of the published models all but the largest, whose width fits no network that runs here, have this.
        scoreScalar = Float(headDim)
    }
}
