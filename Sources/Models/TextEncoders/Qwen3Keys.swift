import Weights

/// Keys of Qwen3 in GGUF files as transformers names them; repackaged safetensors carry transformers' own, in checkpoints
/// that hold a whole pipeline under a prefix.
package enum Qwen3Keys {
    package static let encoder = KeyTable(
        prefixes: ["text_encoders.qwen3_4b.transformer.", "text_encoders.qwen3_8b.transformer."],
        Qwen25Keys.decoder + [
            ("blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm"),
            ("blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm"),
        ])
}
