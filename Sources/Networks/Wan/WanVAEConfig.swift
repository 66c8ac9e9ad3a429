/// `config.json` of a diffusers `AutoencoderKLWan`.
package struct WanVAEConfig: Decodable, Sendable {
    package let baseDim: Int
    private let decoderBaseDimOrNull: Int?
    package let zDim: Int
    package let dimMult: [Int]
    package let resBlocks: Int
    package let temporalDownsample: [Bool]
    package let latentsMean: [Float]
    package let latentsStd: [Float]
    private let inChannelsOrNull: Int?
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
        case outChannelsOrNull = "out_channels"
        case patchSizeOrNull = "patch_size"
        case attnScales = "attn_scales"
        case isResidual = "is_residual"
    }

    package var decoderBaseDim: Int { decoderBaseDimOrNull ?? baseDim }
    /// Pixels of one side of the square that is folded into channels around the network; 1 where there is none.
    package var patch: Int { patchSizeOrNull ?? 1 }
    package var inChannels: Int { inChannelsOrNull ?? 3 }
    package var outChannels: Int { outChannelsOrNull ?? 3 }
    /// Pixels per latent position, along a side.
    package var spatialFactor: Int { patch << (dimMult.count - 1) }
    /// Frames per latent frame after the first.
    package var temporalFactor: Int { 1 << temporalDownsample.count { $0 } }

    package static func read(_ file: String) throws(NetworkError) -> WanVAEConfig {
        let config = try decodeConfiguration(WanVAEConfig.self, at: file)
        try requireRange(config.baseDim, 1...4096, "base_dim", in: file)
        try requireRange(config.decoderBaseDim, 1...4096, "decoder_base_dim", in: file)
        try requireRange(config.zDim, 1...1024, "z_dim", in: file)
        try requireRange(config.resBlocks, 1...64, "num_res_blocks", in: file)
        try requireRange(config.patch, 1...16, "patch_size", in: file)
        try requireRange(config.dimMult.count, 1...8, "dim_mult (its length)", in: file)
        for multiple in config.dimMult { try requireRange(multiple, 1...64, "dim_mult", in: file) }
        guard config.temporalDownsample.count == config.dimMult.count - 1 else {
            throw .badConfiguration(
                file: file, reason: "\"temperal_downsample\" must have one entry less than \"dim_mult\"")
        }
        guard config.latentsMean.count == config.zDim, config.latentsStd.count == config.zDim else {
            throw .badConfiguration(
                file: file, reason: "\"latents_mean\" and \"latents_std\" must have z_dim = \(config.zDim) values")
        }
        guard config.latentsStd.allSatisfy({ $0 > 0 }) else {
            throw .badConfiguration(file: file, reason: "\"latents_std\" must be positive")
        }
        let channels = 3 * config.patch * config.patch
        guard config.inChannels == channels, config.outChannels == channels else {
            throw .badConfiguration(
                file: file, reason: "\"in_channels\" and \"out_channels\" must be 3 * patch_size^2 = \(channels)")
        }
        guard config.isResidual != true else { throw .unsupported(file: file, reason: "is_residual (TI2V-5B's VAE)") }
        guard config.attnScales?.isEmpty != false else { throw .unsupported(file: file, reason: "attn_scales") }
        return config
    }
}
