import Weights

/// `config.json` of a diffusers `AutoencoderKLWan` or `AutoencoderKLQwenImage`, which are one network.
package struct WanVAEConfig: NetworkConfiguration {
    package let baseDim: Int
    private let decoderBaseDimOrNull: Int?
    package let zDim: Int
    package let dimMult: [Int]
    package let resBlocks: Int
    package let temporalDownsample: [Bool]
    package let latentsMean: [Float]
    package let latentsStd: [Float]
    private let inChannelsOrNull: Int?
    private let inputChannelsOrNull: Int?
    private let outChannelsOrNull: Int?
    private let patchSizeOrNull: Int?
    private let attnScales: [Float]?
    private let isResidualOrNull: Bool?

    private enum CodingKeys: String, CodingKey {
        case baseDim = "base_dim"
        case decoderBaseDimOrNull = "decoder_base_dim"
        case zDim = "z_dim"
        case dimMult = "dim_mult"
        case resBlocks = "num_res_blocks"
        case temporalDownsample = "temperal_downsample"
        case latentsMean = "latents_mean"
        case latentsStd = "latents_std"
        case inChannelsOrNull = "in_channels"
        case inputChannelsOrNull = "input_channels"
        case outChannelsOrNull = "out_channels"
        case patchSizeOrNull = "patch_size"
        case attnScales = "attn_scales"
        case isResidualOrNull = "is_residual"
    }

    package var decoderBaseDim: Int { decoderBaseDimOrNull ?? baseDim }
    /// Pixels of one side of the square that is folded into channels around the network; 1 where there is none.
    package var patch: Int { patchSizeOrNull ?? 1 }
    /// Whether levels have shortcuts around them (TI2V-5B).
    package var isResidual: Bool { isResidualOrNull ?? false }
    package var inChannels: Int { inChannelsOrNull ?? inputChannelsOrNull ?? 3 }
    package var outChannels: Int { outChannelsOrNull ?? 3 }
    /// Pixels per latent position, along a side.
    package var spatialFactor: Int { patch << (dimMult.count - 1) }
    /// Frames per latent frame after the first.
    package var temporalFactor: Int { 1 << temporalDownsample.count { $0 } }

    package func check(file: String) throws(NetworkError) {
        try requireRange(baseDim, 1...4096, "base_dim", in: file)
        try requireRange(decoderBaseDim, 1...4096, "decoder_base_dim", in: file)
        try requireRange(zDim, 1...1024, "z_dim", in: file)
        try requireRange(resBlocks, 1...64, "num_res_blocks", in: file)
        try requireRange(patch, 1...16, "patch_size", in: file)
        try requireRange(dimMult.count, 1...8, "dim_mult (its length)", in: file)
        for multiple in dimMult { try requireRange(multiple, 1...64, "dim_mult", in: file) }
        guard temporalDownsample.count == dimMult.count - 1 else {
            throw .badConfiguration(
                file: file, reason: "\"temperal_downsample\" must have one entry less than \"dim_mult\"")
        }
        guard latentsMean.count == zDim, latentsStd.count == zDim else {
            throw .badConfiguration(
                file: file, reason: "\"latents_mean\" and \"latents_std\" must have z_dim = \(zDim) values")
        }
        guard latentsStd.allSatisfy({ $0 > 0 }) else {
            throw .badConfiguration(file: file, reason: "\"latents_std\" must be positive")
        }
        let channels = 3 * patch * patch
        guard inChannels == channels, outChannels == channels else {
            throw .badConfiguration(
                file: file,
                reason: "\"in_channels\" (\"input_channels\") and \"out_channels\" must be 3 * patch_size^2 = "
                    + "\(channels)")
        }
        if isResidual { try checkShortcuts(file: file) }
        guard attnScales?.isEmpty != false else { throw .unsupported(file: file, reason: "attn_scales") }
    }

    /// Shortcuts average, or repeat, a whole number of channels.
    private func checkShortcuts(file: String) throws(NetworkError) {
        let (last, time) = (dimMult.count - 1, temporalDownsample)
        let (down, up) = ([1] + dimMult, [dimMult[last]] + dimMult.reversed())
        let fits = (0..<last).allSatisfy { level in
            let (folded, unfolded) = (time[level] ? 8 : 4, time[last - 1 - level] ? 8 : 4)
            return down[level] * folded % down[level + 1] == 0 && up[level + 1] * unfolded % up[level] == 0
        }
        guard fits, down[last] == down[last + 1] else {
            throw .badConfiguration(
                file: file, reason: "\"dim_mult\" \(dimMult) leaves no shortcuts around the levels (is_residual)")
        }
    }
}

extension WanVAEConfig {
    /// That of the published VAE of so many channels, 16 or 48, at the widths the shapes tell.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        zDim = try checkpoint.shape(of: "decoder.conv_in.weight", axes: 2)[1]
        baseDim = try checkpoint.shape(of: "encoder.conv_in.weight")[0]
        dimMult = [1, 2, 4, 4]
        resBlocks = 2
        temporalDownsample = [false, true, true]
        attnScales = nil
        let isWide = zDim == Self.wide.mean.count
        isResidualOrNull = isWide
        // The outermost level of the decoder has the decoder's base width.
        decoderBaseDimOrNull = try checkpoint.shape(of: "decoder.conv_out.weight", axes: 2)[1]
        let channels = isWide ? 12 : 3
        (inChannelsOrNull, inputChannelsOrNull, outChannelsOrNull) = (channels, nil, channels)
        patchSizeOrNull = isWide ? 2 : nil
        (latentsMean, latentsStd) = isWide ? Self.wide : Self.narrow
    }

    /// The statistics of the published `vae/config.json` of Wan2.1 and Wan2.2-A14B.
    private static let narrow: (mean: [Float], std: [Float]) = (
        [
            -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632,
            -0.1922, -0.9497, 0.2503, -0.2921,
        ],
        [
            2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382,
            1.1253, 2.8251, 1.9160,
        ]
    )

    /// The statistics of the published `vae/config.json` of Wan2.2-TI2V-5B.
    private static let wide: (mean: [Float], std: [Float]) = (
        [
            -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891,
            0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
            -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723,
            -0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
        ],
        [
            0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901, 0.6885,
            0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659, 0.7069, 0.5338,
            0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458,
            1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
        ]
    )
}
