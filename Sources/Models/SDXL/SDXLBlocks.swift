import Tensor
import Weights

/// conv2(silu(norm2(conv1(silu(norm1(x))) + time))) + shortcut(x); diffusers' `ResnetBlock2D`.
package struct SDXLResnet: Sendable {
    private let norm1, norm2: GroupNorm
    private let conv1, conv2: Convolution
    /// 1x1, where the channels change.
    private let shortcut: Convolution?
    private let time: Linear
    private let compute: Compute

    package init(
        _ reader: WeightReader, inputs: Int, outputs: Int, config: SDXLUNetConfig, compute: Compute
    ) throws(WeightError) {
        let (groups, eps) = (config.normGroups, config.eps)
        norm1 = try GroupNorm(reader, "norm1", channels: inputs, groups: groups, eps: eps)
        conv1 = try reader.convolution("conv1", inputs: inputs, outputs: outputs, kernel: [3, 3])
        time = try reader.linear("time_emb_proj", inputs: config.timeDim, outputs: outputs)
        norm2 = try GroupNorm(reader, "norm2", channels: outputs, groups: groups, eps: eps)
        conv2 = try reader.convolution("conv2", inputs: outputs, outputs: outputs, kernel: [3, 3])
        shortcut =
            inputs == outputs
            ? nil : try reader.convolution("conv_shortcut", inputs: inputs, outputs: outputs, kernel: [1, 1])
        self.compute = compute
    }

    /// - Parameters:
    ///   - x: `[B, H, W, inputs]`.
    ///   - time: silu of the embedding, `[B, timeDim]`.
    /// - Returns: `[B, H, W, outputs]`.
    package func forward(_ x: Tensor, time embedding: Tensor) -> Tensor {
        let plan = ConvolutionPlan(padding: 1)
        let shifts = compute.unquantized.linear(embedding, time)
        return perPicture(x) { x, index in
            let h = compute.convolve(
                x, conv1.biased(by: shifts[index]), plan, scaling: norm1.scaling(x, .silu, compute: compute))
            let residual = shortcut.map { compute.convolve(x, $0) } ?? x
            return compute.convolve(
                h, conv2, plan, scaling: norm2.scaling(h, .silu, compute: compute), addingTo: residual)
        }
    }
}

/// What norms and convolutions do picture by picture: `[B, ...]` cut into `[1, ...]` and put together again.
func perPicture(_ x: Tensor, _ body: (_ x: Tensor, _ index: Int) -> Tensor) -> Tensor {
    guard x.shape[0] > 1 else { return body(x, 0) }
    return Tensor.concatenate((0..<x.shape[0]).map { body(x.slice($0..<$0 + 1), $0) })
}

/// The keys and values `[n, C]` that the cross-attentions make of a text, in the order of the blocks: the same at every step.
package struct SDXLContext: Sendable {
    let keys, values: [Tensor]
}

/// A transformer over the cells of a picture; diffusers' `Transformer2DModel` with linear projections.
package struct SDXLTransformer: Sendable {
    private let norm: GroupNorm
    private let projIn, projOut: Linear
    package let blocks: [SDXLTransformerBlock]
    private let compute: Compute

    /// - Parameter first: the place of its first block in a context.
    package init(
        _ reader: WeightReader, level: Int, first: Int, config: SDXLUNetConfig, compute: Compute
    ) throws(WeightError) {
        let channels = config.channels[level]
        norm = try GroupNorm(
            reader, "norm", channels: channels, groups: config.normGroups, eps: config.transformerEps)
        projIn = try reader.linear("proj_in", inputs: channels, outputs: channels)
        var blocks: [SDXLTransformerBlock] = []
        for index in 0..<config.depths[level] {
            blocks.append(
                try SDXLTransformerBlock(
                    reader.scope("transformer_blocks", index), level: level, place: first + index, config: config,
                    compute: compute))
        }
        self.blocks = blocks
        projOut = try reader.linear("proj_out", inputs: channels, outputs: channels)
        self.compute = compute
    }

    /// x `[B, H, W, C]` with one context for each picture -> the same shape.
    package func forward(_ x: Tensor, contexts: [SDXLContext]) -> Tensor {
        var h = compute.linear(normed(x).reshaped(rows(x)), projIn)
        for block in blocks { h = block.forward(h, contexts: contexts) }
        return compute.linear(h, projOut, addingTo: GatedResidual(x.reshaped(rows(x)))).reshaped(x.shape)
    }

    /// The norm alone, which the verifier checks.
    package func normed(_ x: Tensor) -> Tensor {
        perPicture(x) { x, _ in compute.scale(x, by: norm.scaling(x, .identity, compute: compute)) }
    }

    /// The first block's output of x, which the verifier checks.
    package func firstBlock(_ x: Tensor, contexts: [SDXLContext]) -> Tensor {
        blocks[0].forward(compute.linear(normed(x).reshaped(rows(x)), projIn), contexts: contexts)
    }

    private func rows(_ x: Tensor) -> [Int] { [x.count / x.shape[3], x.shape[3]] }
}

/// Self-attention, cross-attention to the text and a gated MLP, each behind a layer norm; diffusers' `BasicTransformerBlock`.
package struct SDXLTransformerBlock: Sendable {
    private struct Norm {
        let weight, bias: Tensor
    }

    private struct Attention {
        let q, k, v, out: Linear

        init(_ reader: WeightReader, dim: Int, textDim: Int) throws(WeightError) {
            q = try reader.linear("to_q", inputs: dim, outputs: dim, bias: false)
            k = try reader.linear("to_k", inputs: textDim, outputs: dim, bias: false)
            v = try reader.linear("to_v", inputs: textDim, outputs: dim, bias: false)
            out = try reader.linear("to_out.0", inputs: dim, outputs: dim)
        }
    }

    private let norms: [Norm]
    private let attention1, attention2: Attention
    /// The two halves of one layer: what goes on, and what gates it.
    private let value, gate: Linear
    private let down: Linear
    private let heads: Int
    /// The block's place in a context.
    private let place: Int
    private let eps: Float
    private let compute: Compute

    init(
        _ reader: WeightReader, level: Int, place: Int, config: SDXLUNetConfig, compute: Compute
    ) throws(WeightError) {
        let dim = config.channels[level]
        var norms: [Norm] = []
        for index in 1...3 {
            norms.append(
                Norm(
                    weight: try reader.vector("norm\(index).weight", [dim]),
                    bias: try reader.vector("norm\(index).bias", [dim])))
        }
        self.norms = norms
        attention1 = try Attention(reader.scope("attn1"), dim: dim, textDim: dim)
        attention2 = try Attention(reader.scope("attn2"), dim: dim, textDim: config.textDim)
        let both = try reader.linear("ff.net.0.proj", inputs: dim, outputs: 8 * dim)
        (value, gate) = (both.slice(0..<4 * dim), both.slice(4 * dim..<8 * dim))
        down = try reader.linear("ff.net.2", inputs: 4 * dim, outputs: dim)
        heads = config.heads[level]
        self.place = place
        eps = config.blockEps
        self.compute = compute
    }

    /// The keys and values of a text `[n, textDim]`.
    func context(_ text: Tensor) -> (key: Tensor, value: Tensor) {
        let both = compute.unquantized.linear(text, [attention2.k, attention2.v])
        return (both[0], both[1])
    }

    /// x `[B * cells, C]` -> the same shape.
    package func forward(_ x: Tensor, contexts: [SDXLContext]) -> Tensor {
        let y = selfAttention(normed(x, 0), pictures: contexts.count, addingTo: x)
        let z = crossAttention(normed(y, 1), contexts: contexts, addingTo: y)
        return feedForward(normed(z, 2), addingTo: z)
    }

    /// - Parameter index: of the norm, from 0.
    package func normed(_ x: Tensor, _ index: Int) -> Tensor {
        compute.layerNorm(x, weight: norms[index].weight, bias: norms[index].bias, eps: eps)
    }

    package func selfAttention(_ a: Tensor, pictures: Int, addingTo x: Tensor?) -> Tensor {
        let projected = compute.linear(a, [attention1.q, attention1.k, attention1.v])
        let attended = compute.attention(
            q: projected[0], k: projected[1], v: projected[2], batch: pictures, heads: heads)
        return compute.linear(attended, attention1.out, addingTo: x.map { GatedResidual($0) })
    }

    package func crossAttention(_ a: Tensor, contexts: [SDXLContext], addingTo x: Tensor?) -> Tensor {
        func whole(_ parts: [Tensor]) -> Tensor { parts.count == 1 ? parts[0] : Tensor.concatenate(parts) }
        let attended = compute.attention(
            q: compute.linear(a, attention2.q), k: whole(contexts.map { $0.keys[place] }),
            v: whole(contexts.map { $0.values[place] }), batch: contexts.count, heads: heads)
        return compute.linear(attended, attention2.out, addingTo: x.map { GatedResidual($0) })
    }

    package func feedForward(_ f: Tensor, addingTo x: Tensor?) -> Tensor {
        let halves = compute.linear(f, [value, gate])
        return compute.linear(
            compute.activate(halves[1], .gelu, times: halves[0]), down, addingTo: x.map { GatedResidual($0) })
    }
}
