import Weights

/// `config.json` of a diffusers `AutoencoderKLFlux2`.
package struct AutoencoderKLFlux2Config: NetworkConfiguration {
    /// The configuration of the two networks. Nothing reads its scaling and shift factors.
    package let networks: AutoencoderKLConfig
    /// Added to the variances of the latents' channels.
    package let normEps: Float

    private enum CodingKeys: String, CodingKey {
        case normEps = "batch_norm_eps"
        case patch = "patch_size"
        case decoderChannels = "decoder_block_out_channels"
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        networks = try AutoencoderKLConfig(from: decoder)
        normEps = try values.decodeIfPresent(Float.self, forKey: .normEps) ?? 1e-4
        let patch = try values.decodeIfPresent([Int].self, forKey: .patch) ?? [2, 2]
        guard patch == [2, 2] else {
            throw DecodingError.dataCorruptedError(
                forKey: .patch, in: values, debugDescription: "\(patch) is not supported, only [2, 2]")
        }
        let widths = try values.decodeIfPresent([Int].self, forKey: .decoderChannels)
        guard widths == nil || widths == networks.channels else {
            throw DecodingError.dataCorruptedError(
                forKey: .decoderChannels, in: values,
                debugDescription: "a decoder of other widths than the encoder's is not supported")
        }
    }

    /// The numbers that no shape tells are the published ones.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        networks = try AutoencoderKLConfig(shapesOf: checkpoint)
        normEps = 1e-4
    }

    package func check(file: String) throws(NetworkError) {
        try networks.check(file: file)
        guard normEps.isFinite, normEps >= 0 else {
            throw .badConfiguration(file: file, reason: "\"batch_norm_eps\" \(normEps) must not be negative")
        }
    }
}
