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
    private let isResidual: Bool?

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
        case isResidual = "is_residual"
    }

    package var decoderBaseDim: Int { decoderBaseDimOrNull ?? baseDim }
    /// Pixels of one side of the square that is folded into channels around the network; 1 where there is none.
    package var patch: Int { patchSizeOrNull ?? 1 }
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
        guard isResidual != true else { throw .unsupported(file: file, reason: "is_residual (TI2V-5B's VAE)") }
        guard attnScales?.isEmpty != false else { throw .unsupported(file: file, reason: "attn_scales") }
    }
}

extension WanVAEConfig {
    /// That of the published 16-channel VAE, at the widths the shapes tell.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        zDim = try checkpoint.shape(of: "decoder.conv_in.weight", axes: 2)[1]
        baseDim = try checkpoint.shape(of: "encoder.conv_in.weight")[0]
        decoderBaseDimOrNull = try checkpoint.shape(of: "decoder.conv_out.weight", axes: 2)[1]
        dimMult = [1, 2, 4, 4]
        resBlocks = 2
        temporalDownsample = [false, true, true]
        (inChannelsOrNull, inputChannelsOrNull, outChannelsOrNull, patchSizeOrNull) = (nil, nil, nil, nil)
        (attnScales, isResidual) = (nil, nil)
        // Of the published vae/config.json.
        latentsMean = [
            -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632,
            -0.1922, -0.9497, 0.2503, -0.2921,
        ]
        latentsStd = [
            2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382,
            1.1253, 2.8251, 1.9160,
        ]
    }
}
