import Weights

/// Keys of the original Wan checkpoints, of ComfyUI's repackaged ones and of GGUF files, as diffusers names them.
package enum WanKeys {
    /// Mind the trap: the original `norm3` is diffusers' `norm2`.
    package static let transformer = KeyTable(
        prefixes: ["model.diffusion_model.", "diffusion_model."],
        [
            ("blocks.#.self_attn.q", "blocks.#.attn1.to_q"),
            ("blocks.#.self_attn.k", "blocks.#.attn1.to_k"),
            ("blocks.#.self_attn.v", "blocks.#.attn1.to_v"),
            ("blocks.#.self_attn.o", "blocks.#.attn1.to_out.0"),
            ("blocks.#.self_attn.norm_q", "blocks.#.attn1.norm_q"),
            ("blocks.#.self_attn.norm_k", "blocks.#.attn1.norm_k"),
            ("blocks.#.cross_attn.q", "blocks.#.attn2.to_q"),
            ("blocks.#.cross_attn.k", "blocks.#.attn2.to_k"),
            ("blocks.#.cross_attn.v", "blocks.#.attn2.to_v"),
            ("blocks.#.cross_attn.o", "blocks.#.attn2.to_out.0"),
            ("blocks.#.cross_attn.norm_q", "blocks.#.attn2.norm_q"),
            ("blocks.#.cross_attn.norm_k", "blocks.#.attn2.norm_k"),
            ("blocks.#.norm3", "blocks.#.norm2"),
            ("blocks.#.ffn.0", "blocks.#.ffn.net.0.proj"),
            ("blocks.#.ffn.2", "blocks.#.ffn.net.2"),
            ("blocks.#.modulation", "blocks.#.scale_shift_table"),
            ("text_embedding.0", "condition_embedder.text_embedder.linear_1"),
            ("text_embedding.2", "condition_embedder.text_embedder.linear_2"),
            ("time_embedding.0", "condition_embedder.time_embedder.linear_1"),
            ("time_embedding.2", "condition_embedder.time_embedder.linear_2"),
            ("time_projection.1", "condition_embedder.time_proj"),
            ("head.head", "proj_out"),
            ("head.modulation", "scale_shift_table"),
        ],
        // Of Wan2.1's image-to-video networks, on which published LoRA files of Wan2.2's have changes.
        foreign: [
            "img_emb.", "condition_embedder.image_embedder.", "blocks.#.cross_attn.k_img", "blocks.#.cross_attn.v_img",
            "blocks.#.cross_attn.norm_k_img", "blocks.#.attn2.add_k_proj", "blocks.#.attn2.add_v_proj",
            "blocks.#.attn2.norm_added_k", "blocks.#.attn2.norm_added_q",
        ])

    /// `Wan2.1_VAE`, `Wan2.2_VAE` and their repackaged forms. The decoder's list of layers is flat: three residual blocks and an
    /// upsampler a stage.
    package static let vae: KeyTable = {
        var pairs: [(String, String)] = [("conv1", "quant_conv"), ("conv2", "post_quant_conv")]
        func residual(_ theirs: String, _ ours: String) {
            for (part, name) in [
                ("residual.0", "norm1"), ("residual.2", "conv1"), ("residual.3", "norm2"), ("residual.6", "conv2"),
                ("shortcut", "conv_shortcut"),
            ] {
                pairs.append(("\(theirs).\(part)", "\(ours).\(name)"))
            }
        }
        func resample(_ theirs: String, _ ours: String) {
            for part in ["resample.1", "time_conv"] { pairs.append(("\(theirs).\(part)", "\(ours).\(part)")) }
        }
        for side in ["encoder", "decoder"] {
            pairs.append(("\(side).conv1", "\(side).conv_in"))
            residual("\(side).middle.0", "\(side).mid_block.resnets.0")
            for part in ["norm", "to_qkv", "proj"] {
                pairs.append(("\(side).middle.1.\(part)", "\(side).mid_block.attentions.0.\(part)"))
            }
            residual("\(side).middle.2", "\(side).mid_block.resnets.1")
            pairs.append(("\(side).head.0", "\(side).norm_out"))
            pairs.append(("\(side).head.2", "\(side).conv_out"))
        }
        residual("encoder.downsamples.#", "encoder.down_blocks.#")
        resample("encoder.downsamples.#", "encoder.down_blocks.#")
        for layer in 0..<15 {
            let ours = "decoder.up_blocks.\(layer / 4)"
            if layer % 4 < 3 {
                residual("decoder.upsamples.\(layer)", "\(ours).resnets.\(layer % 4)")
            } else {
                resample("decoder.upsamples.\(layer)", "\(ours).upsamplers.0")
            }
        }
        // The residual VAE (`Wan2.2_VAE`) has lists within lists.
        for block in 0..<4 {
            residual("encoder.downsamples.#.downsamples.\(block)", "encoder.down_blocks.#.resnets.\(block)")
            residual("decoder.upsamples.#.upsamples.\(block)", "decoder.up_blocks.#.resnets.\(block)")
            // The last of a list, however many blocks come before it.
            resample("encoder.downsamples.#.downsamples.\(block)", "encoder.down_blocks.#.downsampler")
            resample("decoder.upsamples.#.upsamples.\(block)", "decoder.up_blocks.#.upsampler")
        }
        return KeyTable(prefixes: ["first_stage_model.", "vae.", "model."], pairs)
    }()
}
