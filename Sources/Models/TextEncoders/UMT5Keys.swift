import PromptText
import Weights

/// Keys of UMT5 encoders as transformers names them: from the original Wan repository and from GGUF files.
package enum UMT5Keys {
    package static let encoder = KeyTable(
        prefixes: ["text_encoders.umt5xxl.transformer."],
        [
            // The original repository's own T5.
            ("token_embedding", "shared"),
            ("blocks.#.norm1", "encoder.block.#.layer.0.layer_norm"),
            ("blocks.#.attn.q", "encoder.block.#.layer.0.SelfAttention.q"),
            ("blocks.#.attn.k", "encoder.block.#.layer.0.SelfAttention.k"),
            ("blocks.#.attn.v", "encoder.block.#.layer.0.SelfAttention.v"),
            ("blocks.#.attn.o", "encoder.block.#.layer.0.SelfAttention.o"),
            (
                "blocks.#.pos_embedding.embedding",
                "encoder.block.#.layer.0.SelfAttention.relative_attention_bias"
            ),
            ("blocks.#.norm2", "encoder.block.#.layer.1.layer_norm"),
            ("blocks.#.ffn.gate.0", "encoder.block.#.layer.1.DenseReluDense.wi_0"),
            ("blocks.#.ffn.fc1", "encoder.block.#.layer.1.DenseReluDense.wi_1"),
            ("blocks.#.ffn.fc2", "encoder.block.#.layer.1.DenseReluDense.wo"),
            ("norm", "encoder.final_layer_norm"),
            // GGUF.
            ("token_embd", "shared"),
            ("enc.blk.#.attn_norm", "encoder.block.#.layer.0.layer_norm"),
            ("enc.blk.#.attn_q", "encoder.block.#.layer.0.SelfAttention.q"),
            ("enc.blk.#.attn_k", "encoder.block.#.layer.0.SelfAttention.k"),
            ("enc.blk.#.attn_v", "encoder.block.#.layer.0.SelfAttention.v"),
            ("enc.blk.#.attn_o", "encoder.block.#.layer.0.SelfAttention.o"),
            ("enc.blk.#.attn_rel_b", "encoder.block.#.layer.0.SelfAttention.relative_attention_bias"),
            ("enc.blk.#.ffn_norm", "encoder.block.#.layer.1.layer_norm"),
            ("enc.blk.#.ffn_gate", "encoder.block.#.layer.1.DenseReluDense.wi_0"),
            ("enc.blk.#.ffn_up", "encoder.block.#.layer.1.DenseReluDense.wi_1"),
            ("enc.blk.#.ffn_down", "encoder.block.#.layer.1.DenseReluDense.wo"),
            ("enc.output_norm", "encoder.final_layer_norm"),
        ])
}
