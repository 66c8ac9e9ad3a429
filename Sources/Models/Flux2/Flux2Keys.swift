import Weights

/// Keys of FLUX.2's transformer as diffusers names them, from files with the names of the authors' repository: the published
/// single files, ComfyUI's, GGUF files.
package enum Flux2Keys {
    package static let transformer = KeyTable(
        prefixes: ["model.diffusion_model.", "diffusion_model."],
        [
            ("img_in", "x_embedder"), ("txt_in", "context_embedder"),
            ("time_in.in_layer", "time_guidance_embed.timestep_embedder.linear_1"),
            ("time_in.out_layer", "time_guidance_embed.timestep_embedder.linear_2"),
            ("guidance_in.in_layer", "time_guidance_embed.guidance_embedder.linear_1"),
            ("guidance_in.out_layer", "time_guidance_embed.guidance_embedder.linear_2"),
            ("double_stream_modulation_img.lin", "double_stream_modulation_img.linear"),
            ("double_stream_modulation_txt.lin", "double_stream_modulation_txt.linear"),
            ("single_stream_modulation.lin", "single_stream_modulation.linear"),
            ("final_layer.linear", "proj_out"),
            (theirLastModulation, lastModulationShiftFirst),
        ]
            + stream("img", queryNorm: "norm_q", keyNorm: "norm_k", out: "to_out.0", qkv: "qkv", mlp: "ff")
            + stream(
                "txt", queryNorm: "norm_added_q", keyNorm: "norm_added_k", out: "to_add_out", qkv: "added_qkv",
                mlp: "ff_context")
            + norms("single_blocks.#", "single_transformer_blocks.#.attn", "norm_q", "norm_k")
            + [
                ("single_blocks.#.linear1", "single_transformer_blocks.#.attn.to_qkv_mlp_proj"),
                ("single_blocks.#.linear2", "single_transformer_blocks.#.attn.to_out"),
            ],
        wholes: [
            ("double_blocks.#.img_attn.qkv", picture), ("transformer_blocks.#.attn.qkv", picture),
            ("double_blocks.#.txt_attn.qkv", text), ("transformer_blocks.#.attn.added_qkv", text),
            (lastModulation, ["norm_out.scale", "norm_out.shift"]),
            (theirLastModulation, ["norm_out.shift", "norm_out.scale"]),
            (lastModulationShiftFirst, ["norm_out.shift", "norm_out.scale"]),
        ])

    /// The projections of the picture's stream and of the text's, and the layers of other tools that hold three of them.
    package static let pictureProjections = ["to_q", "to_k", "to_v"]
    package static let textProjections = ["add_q_proj", "add_k_proj", "add_v_proj"]

    private static let picture = pictureProjections.map { "transformer_blocks.#.attn.\($0)" }
    private static let text = textProjections.map { "transformer_blocks.#.attn.\($0)" }

    /// The last norm's scale and shift lie in one layer: the scale first in diffusers' files, the shift first in the authors'.
    package static let lastModulation = "norm_out.linear"
    package static let lastModulationShiftFirst = "norm_out.shift_scale"
    private static let theirLastModulation = "final_layer.adaLN_modulation.1"

    private static func stream(
        _ theirs: String, queryNorm: String, keyNorm: String, out: String, qkv: String, mlp: String
    ) -> [(theirs: String, ours: String)] {
        let (block, ours) = ("double_blocks.#.\(theirs)", "transformer_blocks.#")
        return norms("\(block)_attn", "\(ours).attn", queryNorm, keyNorm) + [
            ("\(block)_attn.qkv", "\(ours).attn.\(qkv)"), ("\(block)_attn.proj", "\(ours).attn.\(out)"),
            ("\(block)_mlp.0", "\(ours).\(mlp).linear_in"), ("\(block)_mlp.2", "\(ours).\(mlp).linear_out"),
        ]
    }

    /// The weights of norms are called `scale` or `weight`.
    private static func norms(
        _ theirs: String, _ ours: String, _ query: String, _ key: String
    ) -> [(theirs: String, ours: String)] {
        [("query_norm", query), ("key_norm", key)].flatMap { name, norm in
            [
                ("\(theirs).norm.\(name)", "\(ours).\(norm)"),
                ("\(theirs).norm.\(name).scale", "\(ours).\(norm).weight"),
            ]
        }
    }
}
