import Tensor
import Weights

/// Keys of CLIP's text models as transformers names them. A table is for one of the two that a checkpoint of SDXL holds, each
/// under its own prefix, the second with OpenCLIP's names.
package enum CLIPKeys {
    /// CLIP ViT-L/14.
    package static let first = KeyTable(
        prefixes: ["conditioner.embedders.0.transformer.", "text_encoders.clip_l.transformer."], inMemory)

    /// OpenCLIP ViT-bigG/14.
    package static let second = KeyTable(
        prefixes: ["conditioner.embedders.1.model.", "text_encoders.clip_g.transformer."],
        inMemory + [
            ("token_embedding", "text_model.embeddings.token_embedding"),
            ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
            ("ln_final", "text_model.final_layer_norm"),
        ]
            + [
                ("attn.in_proj_weight", "self_attn.in_proj.weight"), ("attn.in_proj_bias", "self_attn.in_proj.bias"),
                ("attn.out_proj", "self_attn.out_proj"), ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"),
                ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
            ].map { ("transformer.resblocks.#.\($0)", "text_model.encoder.layers.#.\($1)") },
        wholes: [
            (
                "text_model.encoder.layers.#.self_attn.in_proj",
                ["q_proj", "k_proj", "v_proj"].map { "text_model.encoder.layers.#.self_attn.\($0)" }
            )
        ])

    /// transformers 5 drops the prefix when it opens a file, and LoRA files that are trained with it have none.
    private static let inMemory =
        [
            "embeddings.token_embedding", "embeddings.position_embedding", "final_layer_norm",
            "encoder.layers.#.layer_norm1", "encoder.layers.#.layer_norm2", "encoder.layers.#.mlp.fc1",
            "encoder.layers.#.mlp.fc2",
        ].map { (theirs: $0, ours: "text_model.\($0)") }
        + ["q_proj", "k_proj", "v_proj", "out_proj"].map {
            (theirs: "encoder.layers.#.self_attn.\($0)", ours: "text_model.encoder.layers.#.self_attn.\($0)")
        }

    /// OpenCLIP's `[hidden, projection]`, which has no ending.
    static let transposedProjection = "text_projection"

    /// What lies beside the weights and is none: numbers of positions, CLIP's temperature.
    static let foreign = ["text_model.embeddings.position_ids", "logit_scale"]
}
