import Weights

/// Keys of Gemma 2: a `Gemma2Model` that was saved alone has bare ones, as SANA's repositories do, Gemma's own say `model.`.
package enum Gemma2Keys {
    package static let encoder = KeyTable(
        prefixes: [],
        [
            // GGUF.
            ("token_embd", "model.embed_tokens"),
            ("blk.#.attn_norm", "model.layers.#.input_layernorm.\(sum)"),
            ("blk.#.attn_q", "model.layers.#.self_attn.q_proj"),
            ("blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm"),
            ("blk.#.attn_k", "model.layers.#.self_attn.k_proj"),
            ("blk.#.attn_v", "model.layers.#.self_attn.v_proj"),
            ("blk.#.attn_output", "model.layers.#.self_attn.o_proj"),
            ("blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm.\(sum)"),
            ("blk.#.ffn_norm", "model.layers.#.pre_feedforward_layernorm.\(sum)"),
            ("blk.#.ffn_gate", "model.layers.#.mlp.gate_proj"),
            ("blk.#.ffn_up", "model.layers.#.mlp.up_proj"),
            ("blk.#.ffn_down", "model.layers.#.mlp.down_proj"),
            ("blk.#.post_ffw_norm", "model.layers.#.post_feedforward_layernorm.\(sum)"),
            ("output_norm", "model.norm.\(sum)"),
            ("output", "lm_head"),
        ])

    /// Gemma's norms multiply by 1 + w. transformers keeps w; llama.cpp's converter adds the 1, so that in its files, which
    /// these names tell, the weight of a norm is the factor itself.
    static let sum = "factor"

    static func prefix(of contains: (String) -> Bool) -> String {
        ["model.", ""].first { contains($0 + "embed_tokens.weight") } ?? "model."
    }
}
