import Weights

/// Keys of SANA's transformer as diffusers names them, from the authors' checkpoints (`Sana_Sprint_*.pth`).
package enum SanaKeys {
    package static let transformer = KeyTable(
        prefixes: ["model.diffusion_model.", "diffusion_model."],
        [
            ("x_embedder.proj", "patch_embed.proj"),
            ("t_embedder.mlp.0", "time_embed.timestep_embedder.linear_1"),
            ("t_embedder.mlp.2", "time_embed.timestep_embedder.linear_2"),
            ("cfg_embedder.mlp.0", "time_embed.guidance_embedder.linear_1"),
            ("cfg_embedder.mlp.2", "time_embed.guidance_embedder.linear_2"),
            ("t_block.1", "time_embed.linear"),
            ("y_embedder.y_proj.fc1", "caption_projection.linear_1"),
            ("y_embedder.y_proj.fc2", "caption_projection.linear_2"),
            ("attention_y_norm", "caption_norm"),
            ("final_layer.scale_shift_table", "scale_shift_table"), ("final_layer.linear", "proj_out"),
        ]
            + [
                ("scale_shift_table", "scale_shift_table"),
                ("attn.q_norm", "attn1.norm_q"), ("attn.k_norm", "attn1.norm_k"), ("attn.qkv", "attn1.\(fusedSelf)"),
                ("attn.proj", "attn1.to_out.0"),
                ("cross_attn.q_norm", "attn2.norm_q"), ("cross_attn.k_norm", "attn2.norm_k"),
                ("cross_attn.q_linear", "attn2.to_q"), ("cross_attn.kv_linear", "attn2.\(fusedCross)"),
                ("cross_attn.proj", "attn2.to_out.0"),
                ("mlp.inverted_conv.conv", "ff.conv_inverted"), ("mlp.depth_conv.conv", "ff.conv_depth"),
                ("mlp.point_conv.conv", "ff.conv_point"),
            ].map { ("blocks.#.\($0)", "transformer_blocks.#.\($1)") },
        wholes: [
            ("blocks.#.attn.qkv", own), ("transformer_blocks.#.attn1.\(fusedSelf)", own),
            ("blocks.#.cross_attn.kv_linear", crossed), ("transformer_blocks.#.attn2.\(fusedCross)", crossed),
        ])

    /// The layers of the authors' files that hold several projections.
    static let fusedSelf = "qkv"
    static let fusedCross = "kv_linear"
    static let projections = ["to_q", "to_k", "to_v"]

    private static let own = projections.map { "transformer_blocks.#.attn1.\($0)" }
    private static let crossed = projections.dropFirst().map { "transformer_blocks.#.attn2.\($0)" }

    /// Tensors of the authors' files that the network does not read: positions, the caption of nothing, and what training needed.
    static let foreign = ["pos_embed", "y_embedder.y_embedding", "logvar_linear."]
}
