/// `config.json` of a diffusers `WanTransformer3DModel`.
package struct WanTransformerConfig: Decodable, Sendable {
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

    package static func read(_ file: String) throws(NetworkError) -> WanTransformerConfig {
        let config = try decodeConfiguration(WanTransformerConfig.self, at: file)
        try requireRange(config.heads, 1...1024, "num_attention_heads", in: file)
        try requireRange(config.headDim, 6...1024, "attention_head_dim", in: file)
        try requireRange(config.layers, 1...1024, "num_layers", in: file)
        try requireRange(config.ffnDim, 1...1 << 20, "ffn_dim", in: file)
        try requireRange(config.freqDim, 2...1 << 16, "freq_dim", in: file)
        try requireRange(config.textDim, 1...1 << 16, "text_dim", in: file)
        try requireRange(config.inChannels, 1...4096, "in_channels", in: file)
        try requireRange(config.outChannels, 1...4096, "out_channels", in: file)
        guard config.patch.count == 3, config.patch.allSatisfy({ 1...16 ~= $0 }) else {
            throw .badConfiguration(
                file: file, reason: "\"patch_size\" is \(config.patch), expected three sizes 1...16")
        }
        guard config.headDim % 2 == 0, config.freqDim % 2 == 0 else {
            throw .badConfiguration(file: file, reason: "\"attention_head_dim\" and \"freq_dim\" must be even")
        }
        guard config.eps > 0 else { throw .badConfiguration(file: file, reason: "\"eps\" must be positive") }
        guard config.qkNorm == "rms_norm_across_heads" else {
            throw .unsupported(file: file, reason: "qk_norm \"\(config.qkNorm)\" (only rms_norm_across_heads)")
        }
        guard config.crossAttnNorm else { throw .unsupported(file: file, reason: "cross_attn_norm false") }
        guard config.imageDim == nil, config.addedKVProjDim == nil else {
            throw .unsupported(file: file, reason: "image conditioning (image_dim, added_kv_proj_dim)")
        }
        guard config.inChannels == config.outChannels else {
            throw .unsupported(
                file: file,
                reason: "\(config.inChannels) input and \(config.outChannels) output channels: an image-to-video model")
        }
        return config
    }
}
