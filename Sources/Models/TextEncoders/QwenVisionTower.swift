import Tensor
import Weights

/// The vision tower of Qwen2.5-VL: patches of pictures in, rows for the text model out.
///
/// Reference: `Qwen2_5_VisionTransformerPretrainedModel` in transformers. Everything is float32 between the weights.
package struct QwenVisionTower: Sendable {
    package let config: QwenVisionConfig
    private let compute: Compute
    private let patches: Linear
    private let blocks: [QwenVisionBlock]
    private let mergerNorm: Tensor
    private let merger1, merger2: Linear

    /// What stands before the tower's keys: the published shards say `visual.`, newer ones `model.visual.`; nil where there is
    /// no tower.
    package static func prefix(of contains: (String) -> Bool) -> String? {
        ["visual", "model.visual"].first { contains("\($0).patch_embed.proj.weight") }
    }

    /// - Parameter reader: of the whole checkpoint.
    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: QwenVisionConfig, compute: Compute) throws(WeightError) {
        let reader = reader.scope(Self.prefix(of: reader.contains) ?? "visual")
        self.config = config
        self.compute = compute
        patches = try Self.patches(reader, config)
        var blocks: [QwenVisionBlock] = []
        for index in 0..<config.depth {
            blocks.append(try QwenVisionBlock(reader.scope("blocks", index), config: config, compute: compute))
        }
        self.blocks = blocks
        let merged = QwenVisionConfig.merge * QwenVisionConfig.merge * config.dim
        mergerNorm = try reader.vector("merger.ln_q.weight", [config.dim])
        merger1 = try reader.linear("merger.mlp.0", inputs: merged, outputs: merged)
        merger2 = try reader.linear("merger.mlp.2", inputs: merged, outputs: config.outDim)
    }

    /// The product with the patches: one weight, or one for each of two frames.
    private static func patches(_ reader: WeightReader, _ config: QwenVisionConfig) throws(WeightError) -> Linear {
        let (name, patch) = ("patch_embed.proj", config.patch)
        guard config.frames == 2, reader.contains("\(name).weight.1") else {
            return try reader.linear(
                name, inputs: config.patchValues, outputs: config.dim, bias: false,
                storedShape: [config.dim, 3, config.frames, patch, patch])
        }
        let frames = try [
            reader.weight("\(name).weight", [config.dim, 3, patch, patch]),
            reader.weight("\(name).weight.1", [config.dim, 3, patch, patch]),
        ]
        let apart = frames.map { $0.widened().reshaped([3 * config.dim, patch * patch]) }
        let together = Tensor.lasting { Tensor.beside(apart[0], apart[1]).reshaped([config.dim, config.patchValues]) }
        return Linear(weight: Weight(name: name, together), bias: nil)
    }

    /// The rows `[groups, outDim]` of pictures, one after the other, each in the order of its groups.
    ///
    /// - Parameters:
    ///   - values: patches `[n, patchValues]` of all pictures, as `QwenPictureProcessor` gives them.
    ///   - onHidden: called with the embedded patches `[n, dim]` before they are put into the order of windows, and with the
    ///     stream after each block in that order.
    ///   - interrupt: called before each block; throwing from it ends the forward pass.
    package func rows(
        of values: Tensor, grids: [PatchGrid], onHidden: (Tensor) -> Void = { _ in }, interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let layout = QwenVisionLayout(grids, side: config.windowGroups)
        let group = QwenVisionConfig.merge * QwenVisionConfig.merge
        let embedded = compute.linear(values, patches)
        onHidden(embedded)
        var x = layout.windowed(embedded, rows: group)
        let rope = rope(grids)
        let turns = RotaryTable(
            cosine: layout.windowed(rope.cosine, rows: group), sine: layout.windowed(rope.sine, rows: group))
        for (index, block) in blocks.enumerated() {
            try interrupt()
            x = block.forward(x, parts: config.fullBlocks.contains(index) ? layout.pictures : layout.windows, turns)
            onHidden(x)
        }
        let normed = compute.rmsNorm(x, weight: mergerNorm, eps: config.eps)
        let groups = normed.reshaped([normed.shape[0] / group, group * config.dim])
        return layout.restored(compute.linear(compute.linear(groups, merger1, activation: .gelu), merger2), rows: 1)
    }

    /// Angles `[n, headDim / 2]` of all patches: half of the pairs turn by the row, half by the column.
    package func rope(_ grids: [PatchGrid]) -> RotaryTable {
        let places = grids.flatMap(\.places)
        let half = config.headDim / 2
        return .axial(tokens: places.count, widths: [half, half], rounded: true) { token, axis in
            axis == 0 ? places[token].row : places[token].column
        }
    }
}

/// One block: attention inside windows or pictures, and a gated MLP, each behind an RMS norm.
private struct QwenVisionBlock: Sendable {
    private let config: QwenVisionConfig
    private let compute: Compute
    private let attentionNorm, mlpNorm: Tensor
    private let queriesKeysValues: [Linear]
    private let out: Linear
    private let gate, up, down: Linear

    init(_ reader: WeightReader, config: QwenVisionConfig, compute: Compute) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute
        attentionNorm = try reader.vector("norm1.weight", [dim])
        var parts: [Linear] = []
        for (index, name) in ["attn.q", "attn.k", "attn.v"].enumerated() {
            let rows = FusedRows("attn.qkv", part: index, of: 3, rows: dim)
            parts.append(try reader.linear(name, inputs: dim, outputs: dim, partOf: rows))
        }
        queriesKeysValues = parts
        out = try reader.linear("attn.proj", inputs: dim, outputs: dim)
        mlpNorm = try reader.vector("norm2.weight", [dim])
        let mlp = reader.scope("mlp")
        gate = try mlp.linear("gate_proj", inputs: dim, outputs: config.ffnDim)
        up = try mlp.linear("up_proj", inputs: dim, outputs: config.ffnDim)
        down = try mlp.linear("down_proj", inputs: config.ffnDim, outputs: dim)
    }

    /// x `[n, dim]` -> the same shape.
    /// - Parameter parts: rows that see each other and no others; together they are all.
    func forward(_ x: Tensor, parts: [Range<Int>], _ turns: RotaryTable) -> Tensor {
        let heads = config.heads
        let projected = compute.linear(
            compute.rmsNorm(x, weight: attentionNorm, eps: config.eps), queriesKeysValues)
        let q = compute.rotateHalves(projected[0], by: turns, heads: heads)
        let k = compute.rotateHalves(projected[1], by: turns, heads: heads)
        let attended = Tensor.concatenate(
            parts.map {
                compute.attention(q: q.slice($0), k: k.slice($0), v: projected[2].slice($0), heads: heads)
            })
        let y = compute.linear(attended, out, addingTo: GatedResidual(x))
        let f = compute.rmsNorm(y, weight: mlpNorm, eps: config.eps)
        let hidden = compute.activate(compute.linear(f, gate), .silu, times: compute.linear(f, up))
        return compute.linear(hidden, down, addingTo: GatedResidual(y))
    }
}
