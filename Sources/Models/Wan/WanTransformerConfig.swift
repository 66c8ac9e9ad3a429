import Weights

/// `config.json` of a diffusers `WanTransformer3DModel`.
package struct WanTransformerConfig: NetworkConfiguration {
    package let heads: Int
    package let headDim: Int
    package let layers: Int
    package let ffnDim: Int
    package let freqDim: Int
    package let textDim: Int
    package let inChannels: Int
    package let outChannels: Int
    /// Frames, rows and columns of one token.
    package let patch: [Int]
    package let eps: Float
    private let qkNorm: String
    private let crossAttnNorm: Bool
    private let imageDim: Int?
    private let addedKVProjDim: Int?

    private enum CodingKeys: String, CodingKey {
        case heads = "num_attention_heads"
        case headDim = "attention_head_dim"
        case layers = "num_layers"
        case ffnDim = "ffn_dim"
        case freqDim = "freq_dim"
        case textDim = "text_dim"
        case inChannels = "in_channels"
        case outChannels = "out_channels"
        case patch = "patch_size"
        case eps
        case qkNorm = "qk_norm"
        case crossAttnNorm = "cross_attn_norm"
        case imageDim = "image_dim"
        case addedKVProjDim = "added_kv_proj_dim"
    }

    package var dim: Int { heads * headDim }
    /// Values of one token before the patch embedding.
    package var patchInputs: Int { inChannels * patch.reduce(1, *) }
    package var patchOutputs: Int { outChannels * patch.reduce(1, *) }

    /// The original repository's `WanModel` has fields of other names, of which only the heads are not told by shapes.
    private struct Original: Decodable {
        let name: String?
        let heads: Int?

        enum CodingKeys: String, CodingKey {
            case name = "_class_name"
            case heads = "num_heads"
        }
    }

    /// - Throws: also for a class whose network has the same weights and attends otherwise: those of Self-Forcing and CausVid.
    package static func reads(_ configuration: Checkpoint.Configuration) throws(NetworkError) -> Bool {
        let name = try decodeConfiguration(Original.self, configuration).name ?? ""
        guard !name.hasPrefix("Causal") else {
            throw .unsupported(
                file: configuration.source,
                reason: "\(name), which makes a clip piece by piece, each attending to those before it alone; such "
                    + "causal networks are not built")
        }
        return name != "WanModel"
    }

    /// Published Wan transformers all have heads of 128, unless their `WanModel` says otherwise, and tokens of 1x2x2.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        let dim = try checkpoint.shape(of: "patch_embedding.bias")[0]
        var described: Int?
        if let configuration = checkpoint.configuration {
            described = try decodeConfiguration(Original.self, configuration).heads
        }
        headDim = described.flatMap { 1...dim ~= $0 ? dim / $0 : nil } ?? 128
        guard dim % headDim == 0 else {
            throw .badConfiguration(
                file: checkpoint.path,
                reason: "no config.json, and its width of \(dim) does not tell the heads: they are \(headDim) wide in "
                    + "published files")
        }
        heads = dim / headDim
        patch = [1, 2, 2]
        let cell = patch.reduce(1, *)
        inChannels = try checkpoint.shape(of: "patch_embedding.weight").reduce(1, *) / (dim * cell)
        outChannels = try checkpoint.shape(of: "proj_out.bias")[0] / cell
        ffnDim = try checkpoint.shape(of: "blocks.0.ffn.net.0.proj.bias")[0]
        freqDim = try checkpoint.shape(of: "condition_embedder.time_embedder.linear_1.weight").last ?? 0
        textDim = try checkpoint.shape(of: "condition_embedder.text_embedder.linear_1.weight").last ?? 0
        layers = (0...).first { checkpoint.tensors["blocks.\($0).attn1.to_q.weight"] == nil } ?? 0
        eps = 1e-6
        qkNorm = "rms_norm_across_heads"
        crossAttnNorm = true
        imageDim = nil
        addedKVProjDim = nil
    }

    package func check(file: String) throws(NetworkError) {
        try requireRange(heads, 1...1024, "num_attention_heads", in: file)
        try requireRange(headDim, 6...1024, "attention_head_dim", in: file)
        try requireRange(layers, 1...1024, "num_layers", in: file)
        try requireRange(ffnDim, 1...1 << 20, "ffn_dim", in: file)
        try requireRange(freqDim, 2...1 << 16, "freq_dim", in: file)
        try requireRange(textDim, 1...1 << 16, "text_dim", in: file)
        try requireRange(inChannels, 1...4096, "in_channels", in: file)
        try requireRange(outChannels, 1...4096, "out_channels", in: file)
        guard patch.count == 3, patch.allSatisfy({ 1...16 ~= $0 }) else {
            throw .badConfiguration(
                file: file, reason: "\"patch_size\" is \(patch), expected three sizes 1...16")
        }
        guard headDim % 2 == 0, freqDim % 2 == 0 else {
            throw .badConfiguration(file: file, reason: "\"attention_head_dim\" and \"freq_dim\" must be even")
        }
        guard eps > 0 else { throw .badConfiguration(file: file, reason: "\"eps\" must be positive") }
        guard qkNorm == "rms_norm_across_heads" else {
            throw .unsupported(file: file, reason: "qk_norm \"\(qkNorm)\" (only rms_norm_across_heads)")
        }
        guard crossAttnNorm else { throw .unsupported(file: file, reason: "cross_attn_norm false") }
        guard imageDim == nil, addedKVProjDim == nil else {
            throw .unsupported(
                file: file, reason: "\(WanRelatives.clipRefusal) (image_dim, added_kv_proj_dim)")
        }
    }
}
