import Weights

/// `config.json` of a diffusers `SanaTransformer2DModel`.
package struct SanaTransformerConfig: NetworkConfiguration {
    package let heads: Int
    package let headDim: Int
    package let crossHeads: Int
    package let crossHeadDim: Int
    package let layers: Int
    package let inChannels: Int
    package let outChannels: Int
    package let captionDim: Int
    /// Channels of the gated convolution.
    package let hiddenDim: Int
    /// Whether queries and keys have norms, each over a whole row.
    package let hasHeadNorms: Bool
    /// Whether the network is told the scale of guidance, and times from 0 to 1: SANA-Sprint.
    package let embedsGuidance: Bool
    /// What scales of guidance and times are multiplied by before their sinusoids are taken.
    package let guidanceScale: Float
    package let timeScale: Float
    /// The epsilon of layer norms.
    package let eps: Float

    /// The epsilon of the norms of queries, keys and captions, and the width of sinusoids; the file has neither.
    package let rmsEps: Float = 1e-5
    package let frequencies = 256

    package var dim: Int { heads * headDim }

    package func check(file: String) throws(NetworkError) {
        for (value, field) in [
            (heads, "num_attention_heads"), (headDim, "attention_head_dim"), (crossHeads, "num_cross_attention_heads"),
            (crossHeadDim, "cross_attention_head_dim"), (layers, "num_layers"), (inChannels, "in_channels"),
            (outChannels, "out_channels"),
        ] { try requireRange(value, 1...4096, field, in: file) }
        try requireRange(dim, 1...1 << 16, "num_attention_heads * attention_head_dim", in: file)
        try requireRange(captionDim, 1...1 << 16, "caption_channels", in: file)
        try requireRange(hiddenDim, 1...1 << 18, "mlp_ratio (the width it gives)", in: file)
        guard crossHeads * crossHeadDim == dim else {
            throw .badConfiguration(
                file: file,
                reason:
                    "\(crossHeads) * \(crossHeadDim) (\"num_cross_attention_heads\" * \"cross_attention_head_dim\") "
                    + "is not the width \(dim)")
        }
        guard inChannels == outChannels else {
            throw .unsupported(file: file, reason: "\(inChannels) input and \(outChannels) output channels")
        }
        guard eps > 0, guidanceScale.isFinite, timeScale.isFinite else {
            throw .badConfiguration(
                file: file,
                reason: "\"norm_eps\" must be above 0, \"guidance_embeds_scale\" and \"timestep_scale\" finite")
        }
    }
}

extension SanaTransformerConfig {
    private enum CodingKeys: String, CodingKey {
        case heads = "num_attention_heads"
        case headDim = "attention_head_dim"
        case crossHeads = "num_cross_attention_heads"
        case crossHeadDim = "cross_attention_head_dim"
        case crossDim = "cross_attention_dim"
        case layers = "num_layers"
        case inChannels = "in_channels"
        case outChannels = "out_channels"
        case captionDim = "caption_channels"
        case mlpRatio = "mlp_ratio"
        case headNorms = "qk_norm"
        case embedsGuidance = "guidance_embeds"
        case guidanceScale = "guidance_embeds_scale"
        case timeScale = "timestep_scale"
        case eps = "norm_eps"
        case patch = "patch_size"
        case attentionBias = "attention_bias"
        case affineNorms = "norm_elementwise_affine"
        case interpolation = "interpolation_scale"
    }

    /// Fields that the file does not have get diffusers' defaults.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func refuse(_ key: CodingKeys, _ reason: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: values, debugDescription: reason)
        }
        heads = try values.decode(Int.self, forKey: .heads)
        headDim = try values.decode(Int.self, forKey: .headDim)
        crossHeads = try values.decode(Int.self, forKey: .crossHeads)
        crossHeadDim = try values.decode(Int.self, forKey: .crossHeadDim)
        layers = try values.decode(Int.self, forKey: .layers)
        inChannels = try values.decodeIfPresent(Int.self, forKey: .inChannels) ?? 32
        outChannels = try values.decodeIfPresent(Int.self, forKey: .outChannels) ?? inChannels
        captionDim = try values.decodeIfPresent(Int.self, forKey: .captionDim) ?? 2304
        embedsGuidance = try values.decodeIfPresent(Bool.self, forKey: .embedsGuidance) ?? false
        guidanceScale = try values.decodeIfPresent(Float.self, forKey: .guidanceScale) ?? 0.1
        timeScale = try values.decodeIfPresent(Float.self, forKey: .timeScale) ?? 1
        eps = try values.decodeIfPresent(Float.self, forKey: .eps) ?? 1e-6
        let (width, overflow) = heads.multipliedReportingOverflow(by: headDim)
        let hidden = Double(width) * (try values.decodeIfPresent(Double.self, forKey: .mlpRatio) ?? 2.5)
        guard !overflow, hidden >= 0, hidden < 1e9 else { throw refuse(.mlpRatio, "makes no width") }
        hiddenDim = Int(hidden)
        switch try values.decodeIfPresent(String.self, forKey: .headNorms) {
        case nil: hasHeadNorms = false
        case "rms_norm_across_heads": hasHeadNorms = true
        case let other?: throw refuse(.headNorms, "\"\(other)\" is not supported")
        }
        if let cross = try values.decodeIfPresent(Int.self, forKey: .crossDim), cross != width {
            throw refuse(.crossDim, "is \(cross), not the width \(width)")
        }
        guard try values.decodeIfPresent(Int.self, forKey: .patch) ?? 1 == 1 else {
            throw refuse(.patch, "only 1 is supported")
        }
        for key in [CodingKeys.attentionBias, .affineNorms] {
            guard try values.decodeIfPresent(Bool.self, forKey: key) != true else {
                throw refuse(key, "true is not supported")
            }
        }
        guard try values.decodeIfPresent(Double.self, forKey: .interpolation) == nil else {
            throw refuse(.interpolation, "positions, which the models of 2048 and 4096 pixels have, are not supported")
        }
    }

    /// The numbers that no shape tells are the published ones: heads of 32, and across of 112 at width 2240 and of 72 at 1152.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        let width = try checkpoint.shape(of: "patch_embed.proj.bias")[0]
        headDim = 32
        heads = width / headDim
        crossHeadDim = width % 112 == 0 ? 112 : 72
        crossHeads = width / crossHeadDim
        layers = checkpoint.blocks(after: "transformer_blocks.")
        inChannels = try checkpoint.shape(of: "patch_embed.proj.weight", axes: 2)[1]
        outChannels = try checkpoint.shape(of: "proj_out.bias")[0]
        captionDim = try checkpoint.shape(of: "caption_projection.linear_1.weight", axes: 2)[1]
        hiddenDim = try checkpoint.shape(of: "transformer_blocks.0.ff.conv_point.weight", axes: 2)[1]
        hasHeadNorms = checkpoint.tensors["transformer_blocks.0.attn1.norm_q.weight"] != nil
        embedsGuidance = checkpoint.tensors["time_embed.guidance_embedder.linear_1.weight"] != nil
        (guidanceScale, timeScale, eps) = (0.1, 1, 1e-6)
    }
}
