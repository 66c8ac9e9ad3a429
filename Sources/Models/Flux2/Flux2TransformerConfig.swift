import Weights

/// `config.json` of a diffusers `Flux2Transformer2DModel` without guidance embeddings: FLUX.2-klein.
package struct Flux2TransformerConfig: NetworkConfiguration {
    package let heads: Int
    package let headDim: Int
    /// Blocks with a stream for the picture and one for the text, and those with one stream for both.
    package let doubleLayers: Int
    package let singleLayers: Int
    /// The channels of the packed latent.
    package let inChannels: Int
    package let outChannels: Int
    /// Values in a row of text.
    package let textDim: Int
    /// Width of the MLPs in widths of the network.
    private let mlpRatio: Double
    /// Widths of the reference, row, column and text axes in a head.
    package let axes: [Int]
    package let theta: Double
    /// The epsilon of all norms.
    package let eps: Float
    /// Width of the sinusoid of the time.
    package let frequencies: Int
    private let hasGuidance: Bool
    private let patch: Int

    private enum CodingKeys: String, CodingKey {
        case heads = "num_attention_heads"
        case headDim = "attention_head_dim"
        case doubleLayers = "num_layers"
        case singleLayers = "num_single_layers"
        case inChannels = "in_channels"
        case outChannels = "out_channels"
        case textDim = "joint_attention_dim"
        case mlpRatio = "mlp_ratio"
        case axes = "axes_dims_rope"
        case theta = "rope_theta"
        case eps
        case frequencies = "timestep_guidance_channels"
        case hasGuidance = "guidance_embeds"
        case patch = "patch_size"
    }

    package var dim: Int { heads * headDim }
    package var mlpDim: Int { Int(Double(dim) * mlpRatio) }

    /// What is not in the file has diffusers' defaults, those of klein where diffusers' are FLUX.2-dev's.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        heads = try values.decode(Int.self, forKey: .heads)
        headDim = try values.decode(Int.self, forKey: .headDim)
        doubleLayers = try values.decode(Int.self, forKey: .doubleLayers)
        singleLayers = try values.decode(Int.self, forKey: .singleLayers)
        inChannels = try values.decode(Int.self, forKey: .inChannels)
        outChannels = try values.decodeIfPresent(Int.self, forKey: .outChannels) ?? inChannels
        textDim = try values.decode(Int.self, forKey: .textDim)
        mlpRatio = try values.decodeIfPresent(Double.self, forKey: .mlpRatio) ?? 3
        axes = try values.decode([Int].self, forKey: .axes)
        theta = try values.decodeIfPresent(Double.self, forKey: .theta) ?? 2000
        eps = try values.decodeIfPresent(Float.self, forKey: .eps) ?? 1e-6
        frequencies = try values.decodeIfPresent(Int.self, forKey: .frequencies) ?? 256
        hasGuidance = try values.decodeIfPresent(Bool.self, forKey: .hasGuidance) ?? true
        patch = try values.decodeIfPresent(Int.self, forKey: .patch) ?? 1
    }

    /// The numbers that no shape tells are the published ones: four axes of equal width.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        headDim = try checkpoint.shape(of: "single_transformer_blocks.0.attn.norm_q.weight")[0]
        let input = try checkpoint.shape(of: "x_embedder.weight", axes: 2)
        heads = input[0] / headDim
        inChannels = input[1]
        outChannels = try checkpoint.shape(of: "proj_out.weight", axes: 2)[0]
        textDim = try checkpoint.shape(of: "context_embedder.weight", axes: 2)[1]
        let combined = try checkpoint.shape(of: "single_transformer_blocks.0.attn.to_out.weight", axes: 2)
        mlpRatio = Double(combined[1] - combined[0]) / Double(combined[0])
        doubleLayers = checkpoint.blocks(after: "transformer_blocks.")
        singleLayers = checkpoint.blocks(after: "single_transformer_blocks.")
        axes = [Int](repeating: headDim / 4, count: 4)
        (theta, eps) = (2000, 1e-6)
        frequencies = try checkpoint.shape(of: "time_guidance_embed.timestep_embedder.linear_1.weight", axes: 2)[1]
        hasGuidance = checkpoint.tensors["time_guidance_embed.guidance_embedder.linear_1.weight"] != nil
        patch = 1
    }

    package func check(file: String) throws(NetworkError) {
        try requireRange(heads, 1...1024, "num_attention_heads", in: file)
        try requireRange(headDim, 2...1024, "attention_head_dim", in: file)
        try requireRange(doubleLayers, 0...1024, "num_layers", in: file)
        try requireRange(singleLayers, 0...1024, "num_single_layers", in: file)
        try requireRange(inChannels, 1...4096, "in_channels", in: file)
        try requireRange(textDim, 1...1 << 17, "joint_attention_dim", in: file)
        try requireRange(frequencies, 2...1 << 16, "timestep_guidance_channels", in: file)
        guard mlpRatio > 0, mlpRatio <= 64, mlpDim > 0 else {
            throw .badConfiguration(file: file, reason: "\"mlp_ratio\" is \(mlpRatio), expected above 0, at most 64")
        }
        guard axes.count == 4, axes.allSatisfy({ $0 > 0 && $0 % 2 == 0 && $0 <= 1024 }), axes.reduce(0, +) == headDim
        else {
            throw .badConfiguration(
                file: file,
                reason: "\"axes_dims_rope\" is \(axes), expected four even widths that fill a head of \(headDim) "
                    + "(\"attention_head_dim\")")
        }
        guard eps > 0, theta > 1 else {
            throw .badConfiguration(file: file, reason: "\"eps\" must be above 0 and \"rope_theta\" above 1")
        }
        guard outChannels == inChannels, patch == 1 else {
            throw .unsupported(
                file: file,
                reason: "\(inChannels) channels in, \(outChannels) out, patches of \(patch) "
                    + "(only as many out as in, and patches of 1)")
        }
        guard !hasGuidance else {
            throw .unsupported(
                file: file, reason: "guidance_embeds: FLUX.2-dev, whose text encoder is another; FLUX.2-klein runs")
        }
    }
}
