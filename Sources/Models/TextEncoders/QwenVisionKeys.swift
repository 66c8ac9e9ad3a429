import Weights

/// Keys of Qwen2.5-VL's vision tower in a file of its own, as llama.cpp writes it beside a text model (`mmproj-*.gguf`), as
/// transformers names them. Such a file has queries, keys and values apart, and the patches' weights a frame each
/// (`weight`, `weight.1`).
package enum QwenVisionKeys {
    package static let tower = KeyTable(
        prefixes: [],
        [
            ("v.patch_embd", "visual.patch_embed.proj"),
            ("v.patch_embd.weight.#", "visual.patch_embed.proj.weight.#"),
            ("v.blk.#.ln1", "visual.blocks.#.norm1"),
            ("v.blk.#.attn_qkv", "visual.blocks.#.attn.qkv"),
            ("v.blk.#.attn_q", "visual.blocks.#.attn.q"),
            ("v.blk.#.attn_k", "visual.blocks.#.attn.k"),
            ("v.blk.#.attn_v", "visual.blocks.#.attn.v"),
            ("v.blk.#.attn_out", "visual.blocks.#.attn.proj"),
            ("v.blk.#.ln2", "visual.blocks.#.norm2"),
            ("v.blk.#.ffn_gate", "visual.blocks.#.mlp.gate_proj"),
            ("v.blk.#.ffn_up", "visual.blocks.#.mlp.up_proj"),
            ("v.blk.#.ffn_down", "visual.blocks.#.mlp.down_proj"),
            ("v.post_ln", "visual.merger.ln_q"),
            ("mm.#", "visual.merger.mlp.#"),
        ])
}

extension QwenVisionTower {
    /// What a file is if it holds the tower and no text model. Gates and norms without biases are Qwen2.5-VL's.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        guard checkpoint.tensors["v.patch_embd.weight"] != nil else { return nil }
        let tensors = try checkpoint.renamed(by: QwenVisionKeys.tower).tensors
        guard let norm = tensors["visual.merger.ln_q.weight"], let rows = tensors["visual.merger.mlp.2.bias"],
            tensors["visual.merger.ln_q.bias"] == nil, tensors["visual.blocks.0.mlp.gate_proj.weight"] != nil
        else { return nil }
        return FileIdentity(
            .visionTower, "Qwen2.5-VL vision tower of width \(norm.count), rows of width \(rows.count)",
            architecture: "clip", keys: QwenVisionKeys.tower
        ) { reader, compute in
            _ = try QwenVisionTower(reader, config: try QwenVisionConfig.of(reader.checkpoint), compute: compute)
        }
    }
}
