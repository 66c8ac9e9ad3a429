import Tensor
import Weights

/// `config.json` of a transformers `CLIPTextModel`, with or without projection.
package struct CLIPConfig: NetworkConfiguration {
    package let vocabulary: Int
    package let dim: Int
    package let layers: Int
    package let heads: Int
    package let ffnDim: Int
    /// Tokens of every text, padding included.
    package let length: Int
    /// Width of the projected text; as wide as the network where nothing says otherwise.
    package let projection: Int
    package let eps: Float
    package let activation: Activation
    /// The id whose first row stands for the text; nil: the highest id.
    package let endID: Int?

    /// The numbers that no shape tells are the published ones: heads of 64, quick GELU in CLIP ViT-L/14, GELU in OpenCLIP's.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        let embedding = try checkpoint.shape(of: "text_model.embeddings.token_embedding.weight", axes: 2)
        (vocabulary, dim) = (embedding[0], embedding[1])
        length = try checkpoint.shape(of: "text_model.embeddings.position_embedding.weight", axes: 2)[0]
        ffnDim = try checkpoint.shape(of: "text_model.encoder.layers.0.mlp.fc1.weight", axes: 2)[0]
        layers =
            (0...).first { checkpoint.tensors["text_model.encoder.layers.\($0).layer_norm1.weight"] == nil } ?? 0
        heads = max(dim / 64, 1)
        // The original's matrix is transposed.
        projection =
            checkpoint.tensors["text_projection.weight"]?.shape.first
            ?? checkpoint.tensors[CLIPKeys.transposedProjection]?.shape.last ?? dim
        eps = 1e-5
        activation = dim == 768 ? .quickGelu : .gelu
        endID = nil
    }

    package func check(file: String) throws(NetworkError) {
        try requireRange(vocabulary, 1...1 << 24, "vocab_size", in: file)
        try requireRange(dim, 1...1 << 16, "hidden_size", in: file)
        try requireRange(layers, 2...1024, "num_hidden_layers", in: file)
        try requireRange(heads, 1...1024, "num_attention_heads", in: file)
        try requireRange(ffnDim, 1...1 << 20, "intermediate_size", in: file)
        try requireRange(length, 3...1 << 16, "max_position_embeddings", in: file)
        try requireRange(projection, 1...1 << 16, "projection_dim", in: file)
        guard dim % heads == 0, eps > 0 else {
            throw .badConfiguration(
                file: file,
                reason:
                    "\"num_attention_heads\" \(heads) must divide \"hidden_size\" \(dim), and the epsilon be above 0")
        }
    }
}

extension CLIPConfig {
    private enum CodingKeys: String, CodingKey {
        case vocabulary = "vocab_size"
        case dim = "hidden_size"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case ffnDim = "intermediate_size"
        case length = "max_position_embeddings"
        case projection = "projection_dim"
        case eps = "layer_norm_eps"
        case activation = "hidden_act"
        case end = "eos_token_id"
    }

    /// The end token in the configurations of old exports, which mean the highest id by it.
    private static let relicEnd = 2

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        vocabulary = try values.decode(Int.self, forKey: .vocabulary)
        dim = try values.decode(Int.self, forKey: .dim)
        layers = try values.decode(Int.self, forKey: .layers)
        heads = try values.decode(Int.self, forKey: .heads)
        ffnDim = try values.decode(Int.self, forKey: .ffnDim)
        length = try values.decodeIfPresent(Int.self, forKey: .length) ?? 77
        projection = try values.decodeIfPresent(Int.self, forKey: .projection) ?? dim
        eps = try values.decodeIfPresent(Float.self, forKey: .eps) ?? 1e-5
        let end = try values.decodeIfPresent(Int.self, forKey: .end) ?? Self.relicEnd
        endID = end == Self.relicEnd ? nil : end
        switch try values.decodeIfPresent(String.self, forKey: .activation) ?? "quick_gelu" {
        case "quick_gelu": activation = .quickGelu
        case "gelu": activation = .gelu
        case let other:
            throw DecodingError.dataCorruptedError(
                forKey: .activation, in: values, debugDescription: "\"\(other)\" is not supported")
        }
    }
}
