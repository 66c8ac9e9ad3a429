import Weights

/// Keys of Z-Image's transformer as diffusers names them, from ComfyUI's single files and GGUF files, which have the names of
/// the authors' repository.
package enum ZImageKeys {
    package static let transformer = KeyTable(
        prefixes: ["model.diffusion_model.", "diffusion_model."],
        [
            ("x_embedder", "all_x_embedder.2-1"),
            ("final_layer.linear", "all_final_layer.2-1.linear"),
            ("final_layer.adaLN_modulation.1", "all_final_layer.2-1.adaLN_modulation.1"),
        ]
            + ["layers", "noise_refiner", "context_refiner"].flatMap { stack in
                [("out", "to_out.0"), ("q_norm", "norm_q"), ("k_norm", "norm_k")].map { theirs, ours in
                    ("\(stack).#.attention.\(theirs)", "\(stack).#.attention.\(ours)")
                }
            },
        wholes: ["layers", "noise_refiner", "context_refiner"].map { stack in
            ("\(stack).#.attention.qkv", ["to_q", "to_k", "to_v"].map { "\(stack).#.attention.\($0)" })
        })

    /// The layer of such files that holds queries, keys and values in one.
    static func fused(_ part: Int, dim: Int) -> FusedRows { FusedRows("qkv", part: part, of: 3, rows: dim) }
}
