import Tensor
import Weights

/// Rows of text and of pictures side by side in a batch: those of all entries one after the other.
package struct Flux2Streams {
    /// `[B * n, dim]`; rows of references follow those of the picture.
    package let image: Tensor
    /// `[B * m, dim]`
    package let text: Tensor
}

/// Shift, scale and gate, `[B, dim]` each, of an attention or an MLP.
package struct Flux2Modulation {
    let shift, scale, gate: Tensor

    /// The modulations of `[B, count * 3 * dim]`, one after the other.
    package static func all(of factors: Tensor, dim: Int) -> [Flux2Modulation] {
        (0..<factors.shape[1] / (3 * dim)).map { index in
            func part(_ place: Int) -> Tensor { columns(of: factors, (index * 3 + place) * dim, dim) }
            return Flux2Modulation(shift: part(0), scale: part(1), gate: part(2))
        }
    }
}

/// A block with a stream for the picture and one for the text, which attend over both.
///
/// Reference: `Flux2TransformerBlock` in diffusers' transformer_flux2.py.
package struct Flux2DoubleBlock: Sendable {
    private let config: Flux2TransformerConfig
    private let compute: Compute
    private let image, text: Flux2Stream

    package init(_ reader: WeightReader, config: Flux2TransformerConfig, compute: Compute) throws(WeightError) {
        self.config = config
        self.compute = compute
        image = try Flux2Stream(
            reader, projections: Flux2Keys.pictureProjections, fused: "qkv", norms: ("norm_q", "norm_k"),
            out: "to_out.0", mlp: "ff", config: config, compute: compute)
        text = try Flux2Stream(
            reader, projections: Flux2Keys.textProjections, fused: "added_qkv",
            norms: ("norm_added_q", "norm_added_k"), out: "to_add_out", mlp: "ff_context", config: config,
            compute: compute)
    }

    /// What the entries of a batch have in common, and their modulations.
    package struct Setting {
        let batch: Int
        /// Angles of the rows of one entry; all entries have the same.
        let textTurns, imageTurns: RotaryTable
        /// The modulations of the attention, then of the MLP.
        let textModulation, imageModulation: [Flux2Modulation]
    }

    package func forward(_ x: Flux2Streams, _ setting: Setting) -> Flux2Streams {
        let rows = attended(x, setting)
        return Flux2Streams(
            image: image.finish(x.image, attended: rows.image, setting.imageModulation),
            text: text.finish(x.text, attended: rows.text, setting.textModulation))
    }

    private func attended(_ x: Flux2Streams, _ setting: Setting) -> Flux2Streams {
        let ofImage = image.queriesKeysValues(x.image, setting.imageModulation[0], setting.imageTurns)
        let ofText = text.queriesKeysValues(x.text, setting.textModulation[0], setting.textTurns)
        func joined(_ index: Int) -> Tensor { interleaved(ofText[index], ofImage[index], batch: setting.batch) }
        let rows = compute.attention(
            q: joined(0), k: joined(1), v: joined(2), batch: setting.batch, heads: config.heads)
        let parts = separated(rows, batch: setting.batch, first: x.text.shape[0] / setting.batch)
        return Flux2Streams(image: parts.1, text: parts.0)
    }

    /// What attention and MLPs give before gates and residuals, which the verifier checks.
    package func branches(_ x: Flux2Streams, _ setting: Setting) -> (attention: Flux2Streams, mlp: Flux2Streams) {
        let rows = attended(x, setting)
        let ofImage = image.branches(x.image, attended: rows.image, setting.imageModulation)
        let ofText = text.branches(x.text, attended: rows.text, setting.textModulation)
        return (
            Flux2Streams(image: ofImage.attention, text: ofText.attention),
            Flux2Streams(image: ofImage.mlp, text: ofText.mlp)
        )
    }
}

/// What one of the two streams does in a block before and after the attention.
private struct Flux2Stream: Sendable {
    private let config: Flux2TransformerConfig
    private let compute: Compute
    private let projections: [Linear]
    private let out: Linear
    /// `[headDim]`: the norms are taken head by head.
    private let normQ, normK: Tensor
    private let mlp: Flux2MLP

    init(
        _ reader: WeightReader, projections names: [String], fused: String, norms: (q: String, k: String), out: String,
        mlp: String, config: Flux2TransformerConfig, compute: Compute
    ) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute
        let attention = reader.scope("attn")
        var projections: [Linear] = []
        for (index, name) in names.enumerated() {
            projections.append(
                try attention.linear(
                    name, inputs: dim, outputs: dim, bias: false,
                    partOf: FusedRows(fused, part: index, of: names.count, rows: dim)))
        }
        self.projections = projections
        normQ = try attention.vector("\(norms.q).weight", [config.headDim])
        normK = try attention.vector("\(norms.k).weight", [config.headDim])
        self.out = try attention.linear(out, inputs: dim, outputs: dim, bias: false)
        self.mlp = try Flux2MLP(reader.scope(mlp), config: config, compute: compute)
    }

    func queriesKeysValues(_ x: Tensor, _ m: Flux2Modulation, _ turns: RotaryTable) -> [Tensor] {
        let projected = compute.linear(normed(x, m), projections)
        let turned = compute.rotatedNorms(
            of: [projected[0], projected[1]], weights: [normQ, normK], eps: config.eps, by: turns, heads: config.heads)
        return turned + [projected[2]]
    }

    func finish(_ x: Tensor, attended: Tensor, _ m: [Flux2Modulation]) -> Tensor {
        let y = compute.linear(attended, out, addingTo: GatedResidual(x, gate: m[0].gate))
        return mlp(normed(y, m[1]), addingTo: GatedResidual(y, gate: m[1].gate))
    }

    private func normed(_ x: Tensor, _ m: Flux2Modulation) -> Tensor {
        compute.modulatedLayerNorm(x, scale: m.scale, shift: m.shift, eps: config.eps)
    }

    func branches(_ x: Tensor, attended: Tensor, _ m: [Flux2Modulation]) -> (attention: Tensor, mlp: Tensor) {
        let y = compute.linear(attended, out, addingTo: GatedResidual(x, gate: m[0].gate))
        return (compute.linear(attended, out), mlp(normed(y, m[1]), addingTo: nil))
    }
}

/// linear_out(silu(a) * b), a and b the halves of linear_in.
private struct Flux2MLP: Sendable {
    private let compute: Compute
    private let gate, up, down: Linear

    init(_ reader: WeightReader, config: Flux2TransformerConfig, compute: Compute) throws(WeightError) {
        self.compute = compute
        let both = try reader.linear("linear_in", inputs: config.dim, outputs: 2 * config.mlpDim, bias: false)
        gate = both.slice(0..<config.mlpDim)
        up = both.slice(config.mlpDim..<2 * config.mlpDim)
        down = try reader.linear("linear_out", inputs: config.mlpDim, outputs: config.dim, bias: false)
    }

    func callAsFunction(_ x: Tensor, addingTo residual: GatedResidual?) -> Tensor {
        let halves = compute.linear(x, [gate, up])
        return compute.linear(compute.activate(halves[0], .silu, times: halves[1]), down, addingTo: residual)
    }
}

/// A block with one stream for text and pictures: attention and MLP beside each other, behind one norm and one gate.
///
/// Reference: `Flux2SingleTransformerBlock` in diffusers' transformer_flux2.py.
package struct Flux2SingleBlock: Sendable {
    private let config: Flux2TransformerConfig
    private let compute: Compute
    /// Queries, keys, values, and both halves of the MLP's input: parts of one layer.
    private let inputs: [Linear]
    private let normQ, normK: Tensor
    private let out: Linear

    package init(_ reader: WeightReader, config: Flux2TransformerConfig, compute: Compute) throws(WeightError) {
        let (dim, mlp) = (config.dim, config.mlpDim)
        self.config = config
        self.compute = compute
        let attention = reader.scope("attn")
        let whole = try attention.linear("to_qkv_mlp_proj", inputs: dim, outputs: 3 * dim + 2 * mlp, bias: false)
        var start = 0
        inputs = [dim, dim, dim, mlp, mlp].map { rows in
            defer { start += rows }
            return whole.slice(start..<start + rows)
        }
        normQ = try attention.vector("norm_q.weight", [config.headDim])
        normK = try attention.vector("norm_k.weight", [config.headDim])
        out = try attention.linear("to_out", inputs: dim + mlp, outputs: dim, bias: false)
    }

    /// - Parameters:
    ///   - x: rows of all entries, text before pictures in each, `[B * rows, dim]`.
    ///   - turns: angles of the rows of one entry.
    /// - Returns: like x.
    package func forward(_ x: Tensor, batch: Int, turns: RotaryTable, modulation: Flux2Modulation) -> Tensor {
        compute.linear(
            combined(x, batch: batch, turns: turns, modulation: modulation), out,
            addingTo: GatedResidual(x, gate: modulation.gate))
    }

    /// The output of attention and MLP without gate and residual, which the verifier checks.
    package func branch(_ x: Tensor, batch: Int, turns: RotaryTable, modulation: Flux2Modulation) -> Tensor {
        compute.linear(combined(x, batch: batch, turns: turns, modulation: modulation), out)
    }

    /// What the output layer reads: the attention's columns, then the MLP's.
    private func combined(_ x: Tensor, batch: Int, turns: RotaryTable, modulation m: Flux2Modulation) -> Tensor {
        let h = compute.modulatedLayerNorm(x, scale: m.scale, shift: m.shift, eps: config.eps)
        let projected = compute.linear(h, inputs)
        let turned = compute.rotatedNorms(
            of: [projected[0], projected[1]], weights: [normQ, normK], eps: config.eps, by: turns, heads: config.heads)
        let attended = compute.attention(
            q: turned[0], k: turned[1], v: projected[2], batch: batch, heads: config.heads)
        return compute.sideBySide([attended, compute.activate(projected[3], .silu, times: projected[4])])
    }
}

/// The rows of each entry of `first` before those of the same entry of `second`.
func interleaved(_ first: Tensor, _ second: Tensor, batch: Int) -> Tensor {
    let (m, n) = (first.shape[0] / batch, second.shape[0] / batch)
    return Tensor.concatenate(
        (0..<batch).flatMap { [first.slice($0 * m..<($0 + 1) * m), second.slice($0 * n..<($0 + 1) * n)] })
}

/// The inverse of `interleaved`.
/// - Parameter count: rows that each entry has of the first.
func separated(_ x: Tensor, batch: Int, first count: Int) -> (Tensor, Tensor) {
    let rows = x.shape[0] / batch
    func part(_ range: Range<Int>) -> Tensor {
        let parts = (0..<batch).map { x.slice($0 * rows + range.lowerBound..<$0 * rows + range.upperBound) }
        return parts.count == 1 ? parts[0] : Tensor.concatenate(parts)
    }
    return (part(0..<count), part(count..<rows))
}
