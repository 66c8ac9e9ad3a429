import PromptText
import Weights

/// Keys of Qwen2.5 text models in GGUF files as transformers names them; repackaged safetensors carry transformers' own.
package enum Qwen25Keys {
    package static let encoder = KeyTable(prefixes: ["text_encoders.qwen25_7b.transformer."], decoder)

    /// The names of llama.cpp that all Qwen decoders have.
    static let decoder = [
        ("token_embd", "model.embed_tokens"),
        ("blk.#.attn_norm", "model.layers.#.input_layernorm"),
        ("blk.#.attn_q", "model.layers.#.self_attn.q_proj"),
        ("blk.#.attn_k", "model.layers.#.self_attn.k_proj"),
        ("blk.#.attn_v", "model.layers.#.self_attn.v_proj"),
        ("blk.#.attn_output", "model.layers.#.self_attn.o_proj"),
        ("blk.#.ffn_norm", "model.layers.#.post_attention_layernorm"),
        ("blk.#.ffn_gate", "model.layers.#.mlp.gate_proj"),
        ("blk.#.ffn_up", "model.layers.#.mlp.up_proj"),
        ("blk.#.ffn_down", "model.layers.#.mlp.down_proj"),
        ("output_norm", "model.norm"),
        ("output", "lm_head"),
    ]
}
