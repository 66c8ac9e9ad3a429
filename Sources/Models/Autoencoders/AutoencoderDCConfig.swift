import Weights

/// `config.json` of a diffusers `AutoencoderDC`, as far as the autoencoder of SANA has it.
package struct AutoencoderDCConfig: NetworkConfiguration {
    /// One level of the encoder and the decoder's that answers it.
    package struct Level: Sendable, Equatable {
        package let channels: Int
        /// Attention and gated convolutions; else residual blocks.
        package let attends: Bool
        /// Sides of the convolutions that give further queries, keys and values.
        package let scales: [Int]
        /// Blocks of the encoder and of the decoder.
        package let encoderBlocks, decoderBlocks: Int
    }

    package let latentChannels: Int
    package let headDim: Int
    /// The levels from the picture inwards.
    package let levels: [Level]
    /// The diffusion's latents are z * scaling of the encoder's.
    package let scalingFactor: Float
    /// The epsilon of every norm, which the file does not have.
    package let eps: Float = 1e-5

    /// Pixels per latent position, along a side.
    package var spatialFactor: Int { 1 << (levels.count - 1) }

    package func check(file: String) throws(NetworkError) {
        try requireRange(levels.count, 2...8, "block_out_channels (its length)", in: file)
        try requireRange(latentChannels, 1...4096, "latent_channels", in: file)
        try requireRange(headDim, 1...1024, "attention_head_dim", in: file)
        for (index, level) in levels.enumerated() {
            try requireRange(level.channels, 1...8192, "block_out_channels", in: file)
            try requireRange(level.encoderBlocks, 0...64, "encoder_layers_per_block", in: file)
            try requireRange(level.decoderBlocks, 0...64, "decoder_layers_per_block", in: file)
            let next = levels[min(index + 1, levels.count - 1)].channels
            guard !level.attends || level.channels % headDim == 0, 4 * level.channels % next == 0,
                4 * level.channels >= next, level.scales.allSatisfy({ [1, 3, 5].contains($0) })
            else {
                throw .badConfiguration(
                    file: file,
                    reason: "levels of \(levels.map(\.channels)) channels with heads of \(headDim) and scales "
                        + "\(level.scales) do not fit each other")
            }
        }
        guard levels.last.map({ $0.channels % latentChannels == 0 }) ?? false else {
            throw .badConfiguration(
                file: file, reason: "\"latent_channels\" \(latentChannels) does not divide the last level's channels")
        }
        guard scalingFactor.isFinite, scalingFactor > 0 else {
            throw .badConfiguration(file: file, reason: "\"scaling_factor\" \(scalingFactor) must be positive")
        }
    }
}

extension AutoencoderDCConfig {
    private enum CodingKeys: String, CodingKey {
        case inChannels = "in_channels"
        case latentChannels = "latent_channels"
        case headDim = "attention_head_dim"
        case encoderChannels = "encoder_block_out_channels"
        case decoderChannels = "decoder_block_out_channels"
        case encoderLayers = "encoder_layers_per_block"
        case decoderLayers = "decoder_layers_per_block"
        case encoderTypes = "encoder_block_types"
        case decoderTypes = "decoder_block_types"
        case encoderScales = "encoder_qkv_multiscales"
        case decoderScales = "decoder_qkv_multiscales"
        case upsample = "upsample_block_type"
        case downsample = "downsample_block_type"
        case norms = "decoder_norm_types"
        case activations = "decoder_act_fns"
        case outActivation = "decoder_conv_act_fn"
        case outShortcut = "encoder_out_shortcut"
        case inShortcut = "decoder_in_shortcut"
        case scalingFactor = "scaling_factor"
    }

    /// A field that has one value for all levels or a list of them.
    private struct PerLevel: Decodable {
        let values: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let one = try? container.decode(String.self) {
                values = [one]
            } else {
                values = try container.decode([String].self)
            }
        }
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        func refuse(_ key: CodingKeys, _ reason: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: fields, debugDescription: reason)
        }
        func require(_ key: CodingKeys, _ known: String) throws {
            let found = try fields.decodeIfPresent(PerLevel.self, forKey: key)?.values ?? [known]
            if let other = found.first(where: { $0 != known }) {
                throw refuse(key, "\"\(other)\" is not supported, only \"\(known)\", which SANA's autoencoder has")
            }
        }
        try require(.upsample, "interpolate")
        // Published files say "Conv", diffusers' own tests "conv"; diffusers asks only whether it is the other kind.
        let shuffles = "pixel_unshuffle"
        if try fields.decodeIfPresent(String.self, forKey: .downsample) == shuffles {
            throw refuse(.downsample, "\"\(shuffles)\" is not supported, only \"Conv\", which SANA's autoencoder has")
        }
        try require(.norms, "rms_norm")
        try require(.activations, "silu")
        try require(.outActivation, "relu")
        for key in [CodingKeys.outShortcut, .inShortcut] {
            if try fields.decodeIfPresent(Bool.self, forKey: key) == false {
                throw refuse(key, "false is not supported")
            }
        }
        guard try fields.decodeIfPresent(Int.self, forKey: .inChannels) ?? 3 == 3 else {
            throw refuse(.inChannels, "only 3 are supported")
        }
        latentChannels = try fields.decode(Int.self, forKey: .latentChannels)
        headDim = try fields.decodeIfPresent(Int.self, forKey: .headDim) ?? 32
        scalingFactor = try fields.decodeIfPresent(Float.self, forKey: .scalingFactor) ?? 1

        let channels = try fields.decode([Int].self, forKey: .encoderChannels)
        func list<Value: Decodable>(_ key: CodingKeys, _ type: Value.Type) throws -> [Value] {
            let values = try fields.decode([Value].self, forKey: key)
            guard values.count == channels.count else {
                throw refuse(key, "has \(values.count) entries for \(channels.count) levels")
            }
            return values
        }
        guard try list(.decoderChannels, Int.self) == channels else {
            throw refuse(.decoderChannels, "differs from the encoder's, which is not supported")
        }
        let types = try list(.encoderTypes, String.self)
        guard try list(.decoderTypes, String.self) == types else {
            throw refuse(.decoderTypes, "differs from the encoder's, which is not supported")
        }
        if let other = types.first(where: { !["ResBlock", "EfficientViTBlock"].contains($0) }) {
            throw refuse(.encoderTypes, "\"\(other)\" is not supported")
        }
        let scales = try list(.encoderScales, [Int].self)
        guard try list(.decoderScales, [Int].self) == scales else {
            throw refuse(.decoderScales, "differs from the encoder's, which is not supported")
        }
        let encoderLayers = try list(.encoderLayers, Int.self)
        let decoderLayers = try list(.decoderLayers, Int.self)
        levels = channels.indices.map {
            Level(
                channels: channels[$0], attends: types[$0] == "EfficientViTBlock", scales: scales[$0],
                encoderBlocks: encoderLayers[$0], decoderBlocks: decoderLayers[$0])
        }
    }

    /// The numbers that no shape tells are those of SANA's autoencoder.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        latentChannels = try checkpoint.shape(of: "decoder.conv_in.weight", axes: 2)[1]
        func modules(_ path: String) -> Int { checkpoint.blocks(after: "\(path).") }
        let count = modules("encoder.down_blocks")
        guard 2...8 ~= count else {
            throw .badConfiguration(
                file: checkpoint.path, reason: "no config.json, and \(count) levels to tell it from")
        }
        var levels: [Level] = []
        for level in 0..<count {
            let isLast = level == count - 1
            let (down, up) = ("encoder.down_blocks.\(level)", "decoder.up_blocks.\(level)")
            // The first block of the decoder's level comes after the enlargement.
            let block = "\(up).\(isLast ? 0 : 1)"
            let attention = "\(block).attn"
            let attends = checkpoint.tensors["\(attention).norm_out.weight"] != nil
            var scales: [Int] = []
            while let shape = checkpoint.tensors["\(attention).to_qkv_multiscale.\(scales.count).proj_in.weight"]?.shape
            {
                scales.append(shape.last ?? 0)
            }
            levels.append(
                Level(
                    channels: try checkpoint.shape(
                        of: attends ? "\(attention).norm_out.weight" : "\(block).norm.weight")[
                            0],
                    attends: attends, scales: scales, encoderBlocks: modules(down) - (isLast ? 0 : 1),
                    decoderBlocks: modules(up) - (isLast ? 0 : 1)))
        }
        self.levels = levels
        headDim =
            levels.contains { !$0.scales.isEmpty }
            ? try checkpoint.shape(
                of: "decoder.up_blocks.\(count - 1).0.attn.to_qkv_multiscale.0.proj_out.weight", axes: 2)[1] : 32
        scalingFactor = 0.41407
    }
}
