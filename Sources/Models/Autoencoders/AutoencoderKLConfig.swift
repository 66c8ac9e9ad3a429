import Weights

/// `config.json` of a diffusers `AutoencoderKL` or `AutoencoderKLFlux2`, which have the same two networks.
package struct AutoencoderKLConfig: NetworkConfiguration {
    package let inChannels: Int
    package let outChannels: Int
    package let latentChannels: Int
    /// Channels of each level, from the picture inwards.
    package let channels: [Int]
    /// Residual blocks of a level of the encoder; the decoder has one more.
    package let layersPerBlock: Int
    package let normGroups: Int
    package let hasQuantConvolution: Bool
    package let hasPostQuantConvolution: Bool
    package let hasMiddleAttention: Bool
    /// The diffusion's latents are (z - shift) * scaling of the encoder's.
    package let scalingFactor: Float
    package let shiftFactor: Float
    /// The epsilon of every norm; the file does not hold it.
    package let eps: Float = 1e-6

    /// Pixels per latent position, along a side.
    package var spatialFactor: Int { 1 << (channels.count - 1) }
    package var temporalFactor: Int { 1 }

    package func check(file: String) throws(NetworkError) {
        try requireRange(latentChannels, 1...1024, "latent_channels", in: file)
        try requireRange(layersPerBlock, 1...64, "layers_per_block", in: file)
        try requireRange(normGroups, 1...4096, "norm_num_groups", in: file)
        try requireRange(channels.count, 1...8, "block_out_channels (its length)", in: file)
        for width in channels {
            try requireRange(width, 1...8192, "block_out_channels", in: file)
            guard width % normGroups == 0 else {
                throw .badConfiguration(
                    file: file, reason: "\"norm_num_groups\" \(normGroups) does not divide \(width) channels")
            }
        }
        guard inChannels == 3, outChannels == 3 else {
            throw .unsupported(file: file, reason: "\(inChannels) input and \(outChannels) output channels (only 3)")
        }
        guard scalingFactor.isFinite, scalingFactor > 0, shiftFactor.isFinite else {
            throw .badConfiguration(
                file: file, reason: "\"scaling_factor\" \(scalingFactor) must be positive, and \"shift_factor\" finite")
        }
    }
}

extension AutoencoderKLConfig {
    private enum CodingKeys: String, CodingKey {
        case inChannels = "in_channels"
        case outChannels = "out_channels"
        case latentChannels = "latent_channels"
        case channels = "block_out_channels"
        case layersPerBlock = "layers_per_block"
        case normGroups = "norm_num_groups"
        case quantConvolution = "use_quant_conv"
        case postQuantConvolution = "use_post_quant_conv"
        case middleAttention = "mid_block_add_attention"
        case scalingFactor = "scaling_factor"
        case shiftFactor = "shift_factor"
        case activation = "act_fn"
        case downBlocks = "down_block_types"
        case upBlocks = "up_block_types"
        case latentsMean = "latents_mean"
        case latentsStd = "latents_std"
    }

    /// What is not in the file has diffusers' defaults.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        inChannels = try values.decodeIfPresent(Int.self, forKey: .inChannels) ?? 3
        outChannels = try values.decodeIfPresent(Int.self, forKey: .outChannels) ?? 3
        latentChannels = try values.decodeIfPresent(Int.self, forKey: .latentChannels) ?? 4
        channels = try values.decode([Int].self, forKey: .channels)
        layersPerBlock = try values.decodeIfPresent(Int.self, forKey: .layersPerBlock) ?? 1
        normGroups = try values.decodeIfPresent(Int.self, forKey: .normGroups) ?? 32
        hasQuantConvolution = try values.decodeIfPresent(Bool.self, forKey: .quantConvolution) ?? true
        hasPostQuantConvolution = try values.decodeIfPresent(Bool.self, forKey: .postQuantConvolution) ?? true
        hasMiddleAttention = try values.decodeIfPresent(Bool.self, forKey: .middleAttention) ?? true
        scalingFactor = try values.decodeIfPresent(Float.self, forKey: .scalingFactor) ?? 0.18215
        shiftFactor = try values.decodeIfPresent(Float.self, forKey: .shiftFactor) ?? 0
        func refuse(_ key: CodingKeys, _ what: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: values, debugDescription: "\(what) is not supported")
        }
        if let name = try values.decodeIfPresent(String.self, forKey: .activation), name != "silu" {
            throw refuse(.activation, "\"\(name)\"")
        }
        for (key, known) in [(CodingKeys.downBlocks, "DownEncoderBlock2D"), (.upBlocks, "UpDecoderBlock2D")] {
            let names = try values.decodeIfPresent([String].self, forKey: key) ?? []
            if let other = names.first(where: { $0 != known }) { throw refuse(key, "\"\(other)\"") }
        }
        for key in [CodingKeys.latentsMean, .latentsStd] {
            guard try values.decodeIfPresent([Float].self, forKey: key) == nil else {
                throw refuse(key, "a value for each channel")
            }
        }
    }

    /// The numbers that no shape tells are FLUX.1's where latents have 16 channels and SDXL's else; a family of another
    /// autoencoder of that shape brings a configuration.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        latentChannels = try checkpoint.shape(of: "decoder.conv_in.weight", axes: 2)[1]
        inChannels = try checkpoint.shape(of: "encoder.conv_in.weight", axes: 2)[1]
        outChannels = try checkpoint.shape(of: "decoder.conv_out.weight")[0]
        func first(of level: Int) -> String { "encoder.down_blocks.\(level).resnets.0.conv1.weight" }
        var channels: [Int] = []
        while checkpoint.tensors[first(of: channels.count)] != nil {
            channels.append(try checkpoint.shape(of: first(of: channels.count))[0])
        }
        self.channels = channels
        layersPerBlock =
            (0...).first { checkpoint.tensors["encoder.down_blocks.0.resnets.\($0).conv1.weight"] == nil } ?? 0
        normGroups = 32
        hasQuantConvolution = checkpoint.tensors["quant_conv.weight"] != nil
        hasPostQuantConvolution = checkpoint.tensors["post_quant_conv.weight"] != nil
        hasMiddleAttention = checkpoint.tensors["decoder.mid_block.attentions.0.to_q.weight"] != nil
        (scalingFactor, shiftFactor) = latentChannels == 16 ? (0.3611, 0.1159) : (0.13025, 0)
    }
}
