import Tensor
import Weights

/// One block: linear attention over the cells of a picture, attention to the caption, a gated convolution.
///
/// Reference: `SanaTransformerBlock` in diffusers' sana_transformer.py.
package struct SanaBlock: Sendable {
    private let config: SanaTransformerConfig
    private let compute: Compute
    /// `[6, dim]`: shift, scale and gate of the attention, then of the convolution.
    private let table: Tensor
    private let own: [Linear]
    private let ownOut: Linear
    private let crossQ, crossK, crossV, crossOut: Linear
    /// Norms of queries and keys, `[dim]`, where there are any.
    private let ownNormQ, ownNormK, crossNormQ, crossNormK: Tensor?
    private let inverted, point: Linear
    private let depth: DepthwiseConvolution

    package init(
        _ reader: WeightReader, config: SanaTransformerConfig, compute: Compute
    ) throws(WeightError) {
        let (dim, hidden) = (config.dim, config.hiddenDim)
        self.config = config
        self.compute = compute
        table = try reader.vector("scale_shift_table", [6, dim])
        func norm(_ reader: WeightReader, _ name: String) throws(WeightError) -> Tensor? {
            config.hasHeadNorms ? try reader.vector("\(name).weight", [dim]) : nil
        }
        let attention = reader.scope("attn1")
        var own: [Linear] = []
        for (part, name) in SanaKeys.projections.enumerated() {
            own.append(
                try attention.linear(
                    name, inputs: dim, outputs: dim, bias: false,
                    partOf: FusedRows(SanaKeys.fusedSelf, part: part, of: 3, rows: dim)))
        }
        self.own = own
        (ownNormQ, ownNormK) = (try norm(attention, "norm_q"), try norm(attention, "norm_k"))
        ownOut = try attention.linear("to_out.0", inputs: dim, outputs: dim)
        let cross = reader.scope("attn2")
        func fused(_ part: Int) -> FusedRows { FusedRows(SanaKeys.fusedCross, part: part, of: 2, rows: dim) }
        crossQ = try cross.linear("to_q", inputs: dim, outputs: dim)
        crossK = try cross.linear("to_k", inputs: dim, outputs: dim, partOf: fused(0))
        crossV = try cross.linear("to_v", inputs: dim, outputs: dim, partOf: fused(1))
        (crossNormQ, crossNormK) = (try norm(cross, "norm_q"), try norm(cross, "norm_k"))
        crossOut = try cross.linear("to_out.0", inputs: dim, outputs: dim)
        let feed = reader.scope("ff")
        inverted = try feed.linear("conv_inverted", inputs: dim, outputs: 2 * hidden)
        depth = try feed.depthwise("conv_depth", channels: 2 * hidden, side: 3)
        point = try feed.linear("conv_point", inputs: hidden, outputs: dim, bias: false)
    }

    /// What the attention to a caption reads of it, the same at every step: `[n, dim]` each.
    package struct Context: Sendable {
        let keys, values: Tensor

        /// The same, apart from the memory of the step that computed it.
        var lasting: Context { Context(keys: Tensor.lasting(keys.copy), values: Tensor.lasting(values.copy)) }
    }

    /// - Parameter caption: `[n, dim]`, projected and normed.
    package func context(of caption: Tensor) -> Context {
        Context(keys: normed(compute.linear(caption, crossK), crossNormK), values: compute.linear(caption, crossV))
    }

    /// - Parameters:
    ///   - x: `[B * rows * columns, dim]`.
    ///   - grid: rows and columns of cells.
    ///   - modulation: `[B, 6 * dim]`, which all blocks share.
    ///   - contexts: one for each of the B.
    package func forward(
        _ x: Tensor, grid: (rows: Int, columns: Int), modulation: Tensor, contexts: [Context]
    ) -> Tensor {
        let factors = factors(modulation)
        let attended = selfAttention(
            modulatedNorm(x, shift: factors[0], scale: factors[1]), batch: contexts.count)
        var y = compute.linear(attended, ownOut, addingTo: GatedResidual(x, gate: factors[2]))
        y = compute.linear(crossAttention(y, contexts), crossOut, addingTo: GatedResidual(y))
        let f = modulatedNorm(y, shift: factors[3], scale: factors[4])
        return compute.linear(
            gated(f, batch: contexts.count, grid: grid), point, addingTo: GatedResidual(y, gate: factors[5]))
    }

    // MARK: Parts

    /// The modulation with the table added: shift, scale, gate, shift, scale, gate, `[B, dim]` each.
    package func factors(_ modulation: Tensor) -> [Tensor] {
        let (batch, dim) = (modulation.shape[0], config.dim)
        return (0..<6).map { part in
            Tensor(shape: [batch, dim]) { out in
                modulation.withUnsafe { modulation in
                    table.withUnsafe { table in
                        for index in out.indices {
                            let place = part * dim + index % dim
                            out[index] = modulation[index / dim * 6 * dim + place] + table[place]
                        }
                    }
                }
            }
        }
    }

    private func modulatedNorm(_ x: Tensor, shift: Tensor, scale: Tensor) -> Tensor {
        compute.modulatedLayerNorm(x, scale: scale, shift: shift, eps: config.eps)
    }

    private func normed(_ x: Tensor, _ weight: Tensor?) -> Tensor {
        weight.map { compute.rmsNorm(x, weight: $0, eps: config.rmsEps) } ?? x
    }

    /// The linear attention without its output projection.
    private func selfAttention(_ a: Tensor, batch: Int) -> Tensor {
        let projected = compute.linear(a, own)
        return compute.linearAttention(
            q: normed(projected[0], ownNormQ), k: normed(projected[1], ownNormK), v: projected[2], batch: batch,
            heads: config.heads)
    }

    /// The attention to the captions without its output projection.
    private func crossAttention(_ x: Tensor, _ contexts: [Context]) -> Tensor {
        let queries = normed(compute.linear(x, crossQ), crossNormQ)
        let rows = x.shape[0] / contexts.count
        let parts = contexts.enumerated().map { index, context in
            compute.attention(
                q: queries.slice(index * rows..<(index + 1) * rows), k: context.keys, v: context.values,
                heads: config.crossHeads)
        }
        return parts.count == 1 ? parts[0] : Tensor.concatenate(parts)
    }

    /// The gated convolution before its last product: `[B * rows * columns, hidden]`.
    private func gated(_ f: Tensor, batch: Int, grid: (rows: Int, columns: Int)) -> Tensor {
        let h = compute.linear(f, inverted, activation: .silu)
        let picture = h.reshaped([batch, grid.rows, grid.columns, h.shape[1]])
        return compute.convolve(picture, depth, gated: true).reshaped([f.shape[0], config.hiddenDim])
    }

    /// The parts that the verifier checks, of one picture.
    package func parts(
        of x: Tensor, grid: (rows: Int, columns: Int), modulation: Tensor, context: Context
    ) -> (norm1: Tensor, attention: Tensor, cross: Tensor, norm2: Tensor) {
        let factors = factors(modulation)
        let attended = compute.linear(
            selfAttention(modulatedNorm(x, shift: factors[0], scale: factors[1]), batch: 1), ownOut)
        let y = compute.linear(
            selfAttention(modulatedNorm(x, shift: factors[0], scale: factors[1]), batch: 1), ownOut,
            addingTo: GatedResidual(x, gate: factors[2]))
        let cross = compute.linear(crossAttention(y, [context]), crossOut)
        return (
            compute.layerNorm(x, eps: config.eps), attended, cross,
            compute.layerNorm(compute.add(y, cross), eps: config.eps)
        )
    }

    /// The whole gated convolution, which the verifier checks: `[rows * columns, dim]` -> the same shape.
    package func feedForward(_ f: Tensor, grid: (rows: Int, columns: Int)) -> Tensor {
        compute.linear(gated(f, batch: 1, grid: grid), point)
    }
}
