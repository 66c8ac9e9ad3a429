import Weights

/// Keys of autoencoders as diffusers names them, from the original repositories: Stable Diffusion's `first_stage_model`,
/// FLUX.1's `ae.safetensors`, FLUX.2's `flux2-vae.safetensors`.
package enum AutoencoderKLKeys {
    /// The keys of the published autoencoders, which have four levels.
    package static let vae = table(levels: 4)

    /// - Parameter levels: the original counts those of the decoder from the picture, diffusers from the latent.
    package static func table(levels: Int) -> KeyTable {
        KeyTable(
            prefixes: ["first_stage_model.", "vae."],
            (0..<levels).flatMap { level in
                blocks("encoder.down.\(level)", "encoder.down_blocks.\(level)", sampler: ("downsample", "downsamplers"))
                    + blocks(
                        "decoder.up.\(level)", "decoder.up_blocks.\(levels - 1 - level)",
                        sampler: ("upsample", "upsamplers"))
            } + ["encoder", "decoder"].flatMap(ends)
                // FLUX.2's file has these inside the two networks.
                + [("encoder.quant_conv", "quant_conv"), ("decoder.post_quant_conv", "post_quant_conv")])
    }

    /// More blocks than any level has.
    private static let blocksOfLevel = 8

    private static func blocks(
        _ theirs: String, _ ours: String, sampler: (theirs: String, ours: String)
    ) -> [(theirs: String, ours: String)] {
        (0..<blocksOfLevel).flatMap { resnet("\(theirs).block.\($0)", "\(ours).resnets.\($0)") }
            + [("\(theirs).\(sampler.theirs).conv", "\(ours).\(sampler.ours).0.conv")]
    }

    private static func resnet(_ theirs: String, _ ours: String) -> [(theirs: String, ours: String)] {
        ["norm1", "conv1", "norm2", "conv2"].map { ("\(theirs).\($0)", "\(ours).\($0)") }
            + [("\(theirs).nin_shortcut", "\(ours).conv_shortcut")]
    }

    /// The middle and the last norm of one of the two networks.
    private static func ends(_ network: String) -> [(theirs: String, ours: String)] {
        let (theirs, ours) = ("\(network).mid.attn_1", "\(network).mid_block.attentions.0")
        // The last four: diffusers' own before it renamed them.
        let attention = [
            ("\(theirs).norm", "group_norm"), ("\(theirs).q", "to_q"), ("\(theirs).k", "to_k"), ("\(theirs).v", "to_v"),
            ("\(theirs).proj_out", "to_out.0"), ("\(ours).query", "to_q"), ("\(ours).key", "to_k"),
            ("\(ours).value", "to_v"), ("\(ours).proj_attn", "to_out.0"),
        ]
        return resnet("\(network).mid.block_1", "\(network).mid_block.resnets.0")
            + resnet("\(network).mid.block_2", "\(network).mid_block.resnets.1")
            + attention.map { ($0, "\(ours).\($1)") } + [("\(network).norm_out", "\(network).conv_norm_out")]
    }
}
