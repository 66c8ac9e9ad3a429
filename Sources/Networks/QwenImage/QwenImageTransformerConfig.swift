import Weights

/// `config.json` of a diffusers `QwenImageTransformer2DModel`.
package struct QwenImageTransformerConfig: Decodable, Sendable {
    package let heads: Int
    package let headDim: Int
    package let layers: Int
    package let textDim: Int
    /// Of a packed latent: 2 x 2 cells of the VAE's latent.
    package let inChannels: Int
    private let channels: Int
    private let patchSize: Int
    /// Widths of the frame, row and column axes in a head.
    package let axes: [Int]
    private let guidanceEmbeds: Bool?
    private let zeroCondT: Bool?
    private let additionalTCond: Bool?
    private let layer3DRope: Bool?

    private enum CodingKeys: String, CodingKey {
        case heads = "num_attention_heads"
        case headDim = "attention_head_dim"
        case layers = "num_layers"
        case textDim = "joint_attention_dim"
        case inChannels = "in_channels"
        case channels = "out_channels"
        case patchSize = "patch_size"
        case axes = "axes_dims_rope"
        case guidanceEmbeds = "guidance_embeds"
        case zeroCondT = "zero_cond_t"
        case additionalTCond = "use_additional_t_cond"
        case layer3DRope = "use_layer3d_rope"
    }

    package var dim: Int { heads * headDim }
    package var mlpDim: Int { 4 * dim }
    package var outChannels: Int { patchSize * patchSize * channels }
    /// Of every norm; not in the file.
    package let eps: Float = 1e-6
    /// Width of the timestep's sinusoid; not in the file.
    package let freqDim = 256

    package static func read(_ file: String) throws(NetworkError) -> QwenImageTransformerConfig {
        try checked(decodeConfiguration(QwenImageTransformerConfig.self, at: file), file: file)
    }

    /// What came with the weights, else what their shapes tell; keys are diffusers' (`QwenImageKeys.transformer`).
    /// - Throws: `NetworkError` that names the file and the field or key.
    package static func of(_ checkpoint: Checkpoint) throws(NetworkError) -> QwenImageTransformerConfig {
        guard let configuration = checkpoint.configuration else {
            return try checked(QwenImageTransformerConfig(shapesOf: checkpoint), file: checkpoint.path)
        }
        return try checked(
            decodeConfiguration(QwenImageTransformerConfig.self, configuration), file: configuration.source)
    }

    /// The axes, which no shape tells, are the published ones in heads of 128.
    private init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        func shape(_ key: String) throws(NetworkError) -> [Int] {
            guard let shape = checkpoint.tensors[key]?.shape, !shape.isEmpty, !shape.contains(0) else {
                throw .badConfiguration(
                    file: checkpoint.path, reason: "no config.json, and no tensor \"\(key)\" to tell dimensions from")
            }
            return shape
        }
        headDim = try shape("transformer_blocks.0.attn.norm_q.weight")[0]
        heads = try shape("img_in.bias")[0] / headDim
        layers = (0...).first { checkpoint.tensors["transformer_blocks.\($0).attn.to_q.weight"] == nil } ?? 0
        textDim = try shape("txt_norm.weight")[0]
        inChannels = try shape("img_in.weight").last ?? 0
        patchSize = 2
        channels = try shape("proj_out.bias")[0] / (patchSize * patchSize)
        axes = [16, 56, 56]
        (guidanceEmbeds, zeroCondT, additionalTCond, layer3DRope) = (nil, nil, nil, nil)
    }

    private static func checked(
        _ config: QwenImageTransformerConfig, file: String
    ) throws(NetworkError) -> QwenImageTransformerConfig {
        try requireRange(config.heads, 1...1024, "num_attention_heads", in: file)
        try requireRange(config.headDim, 6...1024, "attention_head_dim", in: file)
        try requireRange(config.layers, 1...1024, "num_layers", in: file)
        try requireRange(config.textDim, 1...1 << 16, "joint_attention_dim", in: file)
        try requireRange(config.inChannels, 1...4096, "in_channels", in: file)
        try requireRange(config.channels, 1...4096, "out_channels", in: file)
        guard config.patchSize == 2 else {
            throw .unsupported(file: file, reason: "patch_size \(config.patchSize) (only 2)")
        }
        guard config.axes.count == 3, config.axes.allSatisfy({ $0 > 0 && $0 % 2 == 0 }),
            config.axes.reduce(0, { $0 &+ $1 }) == config.headDim
        else {
            throw .badConfiguration(
                file: file,
                reason: "\"axes_dims_rope\" is \(config.axes), expected three even widths that fill a head of "
                    + "\(config.headDim)")
        }
        let options = [
            ("guidance_embeds", config.guidanceEmbeds), ("zero_cond_t", config.zeroCondT),
            ("use_additional_t_cond", config.additionalTCond), ("use_layer3d_rope", config.layer3DRope),
        ]
        for (name, value) in options where value == true {
            throw .unsupported(file: file, reason: "\(name): a variant other than text-to-image Qwen-Image")
        }
        guard config.inChannels == config.outChannels else {
            throw .unsupported(
                file: file, reason: "\(config.inChannels) input and \(config.outChannels) output channels of a token")
        }
        return config
    }
}
