import Weights

/// Keys of SDXL's U-Net as diffusers names them, from single-file checkpoints, which number all blocks of each way through.
package enum SDXLKeys {
    /// That of the published networks: three levels of two residual blocks.
    package static let unet = KeyTable(prefixes: ["model.diffusion_model."], ends + middle + down + up)

    private typealias Pairs = [(theirs: String, ours: String)]
    private static let (levels, layers, depth) = (3, 2, 10)

    private static let ends: Pairs = [
        ("time_embed.0", "time_embedding.linear_1"), ("time_embed.2", "time_embedding.linear_2"),
        ("label_emb.0.0", "add_embedding.linear_1"), ("label_emb.0.2", "add_embedding.linear_2"),
        ("input_blocks.0.0", "conv_in"), ("out.0", "conv_norm_out"), ("out.2", "conv_out"),
    ]

    private static let middle =
        resnet("middle_block.0", "mid_block.resnets.0") + transformer("middle_block.1", "mid_block.attentions.0")
        + resnet("middle_block.2", "mid_block.resnets.1")

    private static let down: Pairs = (0..<levels).flatMap { level -> Pairs in
        let first = level * (layers + 1) + 1
        let ours = "down_blocks.\(level)"
        return (0..<layers).flatMap { layer in
            resnet("input_blocks.\(first + layer).0", "\(ours).resnets.\(layer)")
                + transformer("input_blocks.\(first + layer).1", "\(ours).attentions.\(layer)")
        } + [("input_blocks.\(first + layers).0.op", "\(ours).downsamplers.0.conv")]
    }

    private static let up: Pairs = (0..<levels).flatMap { level -> Pairs in
        let first = level * (layers + 1)
        let ours = "up_blocks.\(level)"
        return (0...layers).flatMap { layer in
            resnet("output_blocks.\(first + layer).0", "\(ours).resnets.\(layer)")
                + transformer("output_blocks.\(first + layer).1", "\(ours).attentions.\(layer)")
        } + [("output_blocks.\(first + layers).2.conv", "\(ours).upsamplers.0.conv")]
    }

    private static func resnet(_ theirs: String, _ ours: String) -> Pairs {
        [
            ("in_layers.0", "norm1"), ("in_layers.2", "conv1"), ("emb_layers.1", "time_emb_proj"),
            ("out_layers.0", "norm2"), ("out_layers.3", "conv2"), ("skip_connection", "conv_shortcut"),
        ].map { ("\(theirs).\($0)", "\(ours).\($1)") }
    }

    /// Inside a transformer the names are the same.
    private static func transformer(_ theirs: String, _ ours: String) -> Pairs {
        let attention = ["to_q", "to_k", "to_v", "to_out.0"]
        let block =
            attention.map { "attn1.\($0)" } + attention.map { "attn2.\($0)" }
            + ["norm1", "norm2", "norm3", "ff.net.0.proj", "ff.net.2"]
        let names =
            ["norm", "proj_in", "proj_out"]
            + (0..<depth).flatMap { index in block.map { "transformer_blocks.\(index).\($0)" } }
        return names.map { ("\(theirs).\($0)", "\(ours).\($0)") }
    }
}
