import Weights

/// `config.json` of a diffusers `UNet2DConditionModel` as SDXL has it.
package struct SDXLUNetConfig: NetworkConfiguration {
    package let inChannels: Int
    package let outChannels: Int
    /// Channels of each level, from the latent inwards.
    package let channels: [Int]
    /// Residual blocks of a level on the way down; one more on the way up.
    package let layersPerBlock: Int
    /// Blocks of the transformers of each level; 0 where a level has none. The middle has the last level's.
    package let depths: [Int]
    /// Heads of each level.
    package let heads: [Int]
    package let textDim: Int
    package let normGroups: Int
    package let eps: Float
    /// Width of the sinusoid of each size id.
    package let idDim: Int
    /// Width of the vector of the text and all size ids.
    package let addedDim: Int

    /// Height and width of the original, its crop's top and left, height and width of the target.
    package static let ids = 6
    /// The epsilon of a transformer's first norm, and of the norms in its blocks; the file does not hold it.
    package let transformerEps: Float = 1e-6
    package let blockEps: Float = 1e-5

    package var pooledDim: Int { addedDim - Self.ids * idDim }
    package var timeDim: Int { 4 * channels[0] }

    /// The numbers that no shape tells are the published ones: heads of 64, 32 groups, sinusoids of 256.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        inChannels = try checkpoint.shape(of: "conv_in.weight", axes: 4)[1]
        outChannels = try checkpoint.shape(of: "conv_out.weight", axes: 4)[0]
        var channels: [Int] = []
        while let weight = checkpoint.tensors["down_blocks.\(channels.count).resnets.0.conv1.weight"] {
            channels.append(weight.shape.first ?? 0)
        }
        self.channels = channels
        layersPerBlock =
            (0...).first { checkpoint.tensors["down_blocks.0.resnets.\($0).conv1.weight"] == nil } ?? 0
        depths = channels.indices.map { level in
            let prefix = "down_blocks.\(level).attentions.0.transformer_blocks"
            return (0...).first { checkpoint.tensors["\(prefix).\($0).norm1.weight"] == nil } ?? 0
        }
        heads = channels.map { max($0 / 64, 1) }
        textDim = try checkpoint.shape(
            of: "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", axes: 2)[1]
        (normGroups, eps, idDim) = (32, 1e-5, 256)
        addedDim = try checkpoint.shape(of: "add_embedding.linear_1.weight", axes: 2)[1]
    }

    package func check(file: String) throws(NetworkError) {
        try requireRange(channels.count, 1...8, "block_out_channels (its length)", in: file)
        try requireRange(layersPerBlock, 1...16, "layers_per_block", in: file)
        try requireRange(textDim, 1...1 << 16, "cross_attention_dim", in: file)
        try requireRange(normGroups, 1...4096, "norm_num_groups", in: file)
        try requireRange(idDim, 2...1 << 16, "addition_time_embed_dim", in: file)
        try requireRange(addedDim, 1...1 << 20, "projection_class_embeddings_input_dim", in: file)
        guard depths.count == channels.count, heads.count == channels.count else {
            throw .badConfiguration(
                file: file,
                reason: "\(channels.count) levels, but \(depths.count) transformer depths and "
                    + "\(heads.count) numbers of heads")
        }
        for (width, heads) in zip(channels, heads) {
            try requireRange(width, 2...8192, "block_out_channels", in: file)
            try requireRange(heads, 1...1024, "attention_head_dim (the number of heads)", in: file)
            guard width % normGroups == 0, width % heads == 0, width % 2 == 0 else {
                throw .badConfiguration(
                    file: file,
                    reason: "\(width) channels do not divide into \(normGroups) groups and \(heads) heads")
            }
        }
        for depth in depths { try requireRange(depth, 0...256, "transformer_layers_per_block", in: file) }
        guard inChannels == 4, outChannels == 4 else {
            throw .unsupported(
                file: file, reason: "\(inChannels) channels in and \(outChannels) out (inpainting or another relative)")
        }
        guard let last = depths.last, last > 0, pooledDim > 0, eps > 0 else {
            throw .unsupported(
                file: file, reason: "a network without transformers in the middle, or without a vector of the text")
        }
    }
}

extension SDXLUNetConfig {
    private enum CodingKeys: String, CodingKey {
        case inChannels = "in_channels"
        case outChannels = "out_channels"
        case channels = "block_out_channels"
        case layersPerBlock = "layers_per_block"
        case depths = "transformer_layers_per_block"
        case heads = "attention_head_dim"
        case numberOfHeads = "num_attention_heads"
        case textDim = "cross_attention_dim"
        case normGroups = "norm_num_groups"
        case eps = "norm_eps"
        case idDim = "addition_time_embed_dim"
        case addedDim = "projection_class_embeddings_input_dim"
        case downBlocks = "down_block_types"
        case upBlocks = "up_block_types"
        case added = "addition_embed_type"
        case linear = "use_linear_projection"
        case activation = "act_fn"
        case scaleShift = "resnet_time_scale_shift"
        case timeCondition = "time_cond_proj_dim"
        case middle = "mid_block_type"
        case timeKind = "time_embedding_type"
        case attentionKind = "attention_type"
        case timeOrder = "flip_sin_to_cos"
        case centers = "center_input_sample"
        case attendsTwice = "dual_cross_attention"
        case skipsTimeActivation = "resnet_skip_time_act"
        case joinsClasses = "class_embeddings_concat"
        case onlyCross = "only_cross_attention"
        case timeShift = "freq_shift"
        case firstKernel = "conv_in_kernel"
        case lastKernel = "conv_out_kernel"
        case downPadding = "downsample_padding"
        case middleScale = "mid_block_scale_factor"
        case resnetScale = "resnet_out_scale_factor"
        // Null in every published file.
        case classKind = "class_embed_type"
        case classes = "num_class_embeds"
        case reversedDepths = "reverse_transformer_layers_per_block"
        case textProjection = "encoder_hid_dim"
        case textProjectionKind = "encoder_hid_dim_type"
        case timeDim = "time_embedding_dim"
        case timeActivation = "time_embedding_act_fn"
        case timeLastActivation = "timestep_post_act"
        case crossNorm = "cross_attention_norm"
    }

    private static let nulls: [CodingKeys] = [
        .classKind, .classes, .reversedDepths, .textProjection, .textProjectionKind, .timeDim, .timeActivation,
        .timeLastActivation, .crossNorm,
    ]

    /// Options whose other values the network does not compute.
    private static func requireOptions(_ values: KeyedDecodingContainer<CodingKeys>) throws {
        func refuse(_ key: CodingKeys, _ reason: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: values, debugDescription: reason)
        }
        func require<Value: Decodable & Equatable>(_ key: CodingKeys, _ known: Value) throws {
            guard let value = try values.decodeIfPresent(Value.self, forKey: key), value != known else { return }
            throw refuse(key, "\(value) is not supported, only \(known)")
        }
        try require(.added, "text_time")
        try require(.linear, true)
        try require(.activation, "silu")
        try require(.scaleShift, "default")
        try require(.middle, "UNetMidBlock2DCrossAttn")
        try require(.timeKind, "positional")
        try require(.attentionKind, "default")
        try require(.timeOrder, true)
        for key in [CodingKeys.centers, .attendsTwice, .skipsTimeActivation, .joinsClasses] { try require(key, false) }
        try require(.timeShift, 0)
        for key in [CodingKeys.firstKernel, .lastKernel] { try require(key, 3) }
        try require(.downPadding, 1)
        for key in [CodingKeys.middleScale, .resnetScale] { try require(key, Float(1)) }
        if try values.contains(.middle) && values.decodeNil(forKey: .middle) {
            throw refuse(.middle, "null, a network without a middle, is not supported")
        }
        if try values.decodeIfPresent(PerLevel<Bool>.self, forKey: .onlyCross)?.values.contains(true) == true {
            throw refuse(.onlyCross, "true is not supported")
        }
        for key in nulls where try values.decodeIfPresent(Anything.self, forKey: key) != nil {
            throw refuse(key, "is not supported, only null")
        }
        if try values.decodeIfPresent(Anything.self, forKey: .timeCondition) != nil {
            throw refuse(.timeCondition, SDXLUNet.guidanceRefusal)
        }
    }

    /// A value of whatever kind that is not null.
    private struct Anything: Decodable {
        init(from decoder: any Decoder) {}
    }

    /// One value for all levels, or one for each.
    private struct PerLevel<Value: Decodable>: Decodable {
        let values: [Value]

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            values = if let one = try? value.decode(Value.self) { [one] } else { try value.decode([Value].self) }
        }

        func each(_ count: Int) -> [Value] {
            values.count == 1 ? [Value](repeating: values[0], count: count) : values
        }
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        try Self.requireOptions(values)
        inChannels = try values.decodeIfPresent(Int.self, forKey: .inChannels) ?? 4
        outChannels = try values.decodeIfPresent(Int.self, forKey: .outChannels) ?? 4
        channels = try values.decode([Int].self, forKey: .channels)
        layersPerBlock = try values.decodeIfPresent(Int.self, forKey: .layersPerBlock) ?? 2
        let attends = "CrossAttnDownBlock2D"
        let kinds = try values.decode([String].self, forKey: .downBlocks)
        let ups = try values.decode([String].self, forKey: .upBlocks)
        guard kinds.allSatisfy({ [attends, "DownBlock2D"].contains($0) }), kinds.count == channels.count,
            ups == kinds.reversed().map({ $0 == attends ? "CrossAttnUpBlock2D" : "UpBlock2D" })
        else {
            throw DecodingError.dataCorruptedError(
                forKey: .downBlocks, in: values,
                debugDescription: "\(kinds) with \(ups) up again are not supported, only "
                    + "CrossAttn and plain blocks, the same both ways")
        }
        let depths = try values.decodeIfPresent(PerLevel<Int>.self, forKey: .depths)?.each(channels.count)
        self.depths = zip(kinds, depths ?? kinds.map { _ in 1 }).map { $0 == attends ? $1 : 0 }
        // diffusers' name says what it never was.
        let heads =
            try values.decodeIfPresent(PerLevel<Int>.self, forKey: .numberOfHeads)
            ?? values.decode(PerLevel<Int>.self, forKey: .heads)
        self.heads = heads.each(channels.count)
        textDim = try values.decode(Int.self, forKey: .textDim)
        normGroups = try values.decodeIfPresent(Int.self, forKey: .normGroups) ?? 32
        eps = try values.decodeIfPresent(Float.self, forKey: .eps) ?? 1e-5
        idDim = try values.decode(Int.self, forKey: .idDim)
        addedDim = try values.decode(Int.self, forKey: .addedDim)
    }
}
