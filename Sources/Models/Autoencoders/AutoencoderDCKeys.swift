import Weights

/// Keys of DC-AE as diffusers names them, from the authors' files (mit-han-lab/dc-ae-f32c32-sana-1.1), which number the
/// operations of each stage.
package enum AutoencoderDCKeys {
    package static let projections = ["to_q", "to_k", "to_v"]
    /// The layer of the authors' files that holds the three in one.
    package static let fused = "to_qkv"

    package static let vae = KeyTable(prefixes: [], ends + sides.flatMap(side))

    private typealias Pairs = [(theirs: String, ours: String)]

    private static let ends: Pairs = [
        ("encoder.project_in.conv", "encoder.conv_in"), ("encoder.project_out.0.conv", "encoder.conv_out"),
        ("decoder.project_in.conv", "decoder.conv_in"), ("decoder.project_out.0", "decoder.norm_out"),
        ("decoder.project_out.2.conv", "decoder.conv_out"),
    ]

    private static let sides = [
        (theirs: "encoder.stages", ours: "encoder.down_blocks"), ("decoder.stages", "decoder.up_blocks"),
    ]
    /// The most operations of a stage: three blocks and a change of size; some more for relatives.
    private static let operations = 12

    private static func side(_ side: (theirs: String, ours: String)) -> Pairs {
        (0..<operations).flatMap { operation -> Pairs in
            let names: Pairs = [
                ("main.conv", "conv"), ("main.conv1.conv", "conv1"), ("main.conv2.conv", "conv2"),
                ("main.conv2.norm", "norm"), ("context_module.main.qkv.conv", "attn.\(fused)"),
                ("context_module.main.aggreg.0.0", "attn.to_qkv_multiscale.0.proj_in"),
                ("context_module.main.aggreg.0.1", "attn.to_qkv_multiscale.0.proj_out"),
                ("context_module.main.proj.conv", "attn.to_out"), ("context_module.main.proj.norm", "attn.norm_out"),
                ("local_module.main.inverted_conv.conv", "conv_out.conv_inverted"),
                ("local_module.main.depth_conv.conv", "conv_out.conv_depth"),
                ("local_module.main.point_conv.conv", "conv_out.conv_point"),
                ("local_module.main.point_conv.norm", "conv_out.norm"),
            ]
            return names.map { ("\(side.theirs).#.op_list.\(operation).\($0)", "\(side.ours).#.\(operation).\($1)") }
        }
    }
}
