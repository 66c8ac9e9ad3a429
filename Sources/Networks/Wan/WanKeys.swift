/// Module names of the original Wan checkpoints and of ComfyUI's repackaged ones, as diffusers names them.
package enum WanKeys {
    /// Parts of a block. Mind the trap: the original `norm3` is diffusers' `norm2`.
    private static let blockModules: [String: String] = [
        "self_attn.q": "attn1.to_q", "self_attn.k": "attn1.to_k", "self_attn.v": "attn1.to_v",
        "self_attn.o": "attn1.to_out.0", "self_attn.norm_q": "attn1.norm_q", "self_attn.norm_k": "attn1.norm_k",
        "cross_attn.q": "attn2.to_q", "cross_attn.k": "attn2.to_k", "cross_attn.v": "attn2.to_v",
        "cross_attn.o": "attn2.to_out.0", "cross_attn.norm_q": "attn2.norm_q", "cross_attn.norm_k": "attn2.norm_k",
        "ffn.0": "ffn.net.0.proj", "ffn.2": "ffn.net.2", "norm3": "norm2",
    ]

    private static let modules: [String: String] = [
        "text_embedding.0": "condition_embedder.text_embedder.linear_1",
        "text_embedding.2": "condition_embedder.text_embedder.linear_2",
        "time_embedding.0": "condition_embedder.time_embedder.linear_1",
        "time_embedding.2": "condition_embedder.time_embedder.linear_2",
        "time_projection.1": "condition_embedder.time_proj",
        "head.head": "proj_out",
    ]

    /// The diffusers name of a module; names that are not original ones pass unchanged.
    package static func rename(_ module: String) -> String {
        if let name = modules[module] { return name }
        let parts = module.split(separator: ".", maxSplits: 2)
        guard parts.count == 3, parts[0] == "blocks", let name = blockModules[String(parts[2])] else { return module }
        return "blocks.\(parts[1]).\(name)"
    }
}
