import Weights

/// `config.json` of a diffusers `QwenImageTransformer2DModel`.
package struct QwenImageTransformerConfig: NetworkConfiguration {
    package let heads: Int
    package let headDim: Int
    package let layers: Int
    package let textDim: Int
    /// The channels of a packed latent: 2 x 2 cells of the VAE's latent.
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
    /// `zero_cond_t`: reference pictures are modulated by time 0.
    package var picturesAtZero: Bool { zeroCondT ?? false }
    /// The epsilon of every norm; the file does not hold it.
    package let eps: Float = 1e-6
    /// Width of the timestep's sinusoid; not in the file.
    package let freqDim = 256

    /// The axes, which no shape tells, are the published ones in heads of 128.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        headDim = try checkpoint.shape(of: "transformer_blocks.0.attn.norm_q.weight")[0]
        heads = try checkpoint.shape(of: "img_in.bias")[0] / headDim
        layers = (0...).first { checkpoint.tensors["transformer_blocks.\($0).attn.to_q.weight"] == nil } ?? 0
        textDim = try checkpoint.shape(of: "txt_norm.weight")[0]
        inChannels = try checkpoint.shape(of: "img_in.weight").last ?? 0
        patchSize = 2
        channels = try checkpoint.shape(of: "proj_out.bias")[0] / (patchSize * patchSize)
        axes = [16, 56, 56]
        (guidanceEmbeds, zeroCondT, additionalTCond, layer3DRope) = (nil, nil, nil, nil)
    }

    package func check(file: String) throws(NetworkError) {
        try requireRange(heads, 1...1024, "num_attention_heads", in: file)
        try requireRange(headDim, 6...1024, "attention_head_dim", in: file)
        try requireRange(layers, 1...1024, "num_layers", in: file)
        try requireRange(textDim, 1...1 << 16, "joint_attention_dim", in: file)
        try requireRange(inChannels, 1...4096, "in_channels", in: file)
        try requireRange(channels, 1...4096, "out_channels", in: file)
        guard patchSize == 2 else {
            throw .unsupported(file: file, reason: "patch_size \(patchSize) (only 2)")
        }
        guard axes.count == 3, axes.allSatisfy({ $0 > 0 && $0 % 2 == 0 }),
            axes.reduce(0, { $0 &+ $1 }) == headDim
        else {
            throw .badConfiguration(
                file: file,
                reason: "\"axes_dims_rope\" is \(axes), expected three even widths that fill a head of "
                    + "\(headDim)")
        }
        let options = [
            ("guidance_embeds", guidanceEmbeds), ("use_additional_t_cond", additionalTCond),
            ("use_layer3d_rope", layer3DRope),
        ]
        for (name, value) in options where value == true {
            throw .unsupported(file: file, reason: "\(name): a variant other than Qwen-Image and Qwen-Image-Edit")
        }
        guard inChannels == outChannels else {
            throw .unsupported(
                file: file, reason: "\(inChannels) input and \(outChannels) output channels of a token")
        }
    }
}
