import Synchronization
import Tensor
import Weights

/// One block of the Wan transformer: self-attention, cross-attention to the text, MLP.
///
/// Reference: `WanTransformerBlock` in diffusers' transformer_wan.py. The residual stream x is `[B * T, dim]`.
package struct WanBlock: Sendable {
    private let config: WanTransformerConfig
    private let compute: Compute
    private let attn1: Attention
    private let attn2: Attention
    private let norm2Weight, norm2Bias: Tensor
    private let ffnIn, ffnOut: Linear
    /// `[6, dim]`
    private let scaleShiftTable: Tensor

    /// Projections of one attention, with RMS norms of q and k over all heads together.
    private struct Attention: Sendable {
        let q, k, v, out: Linear
        let normQ, normK: Tensor

        init(_ reader: WeightReader, dim: Int) throws(WeightError) {
            q = try reader.linear("to_q", inputs: dim, outputs: dim)
            k = try reader.linear("to_k", inputs: dim, outputs: dim)
            v = try reader.linear("to_v", inputs: dim, outputs: dim)
            out = try reader.linear("to_out.0", inputs: dim, outputs: dim)
            normQ = try reader.vector("norm_q.weight", [dim])
            normK = try reader.vector("norm_k.weight", [dim])
        }
    }

    init(_ reader: WeightReader, config: WanTransformerConfig, compute: Compute) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute
        attn1 = try Attention(reader.scope("attn1"), dim: dim)
        attn2 = try Attention(reader.scope("attn2"), dim: dim)
        norm2Weight = try reader.vector("norm2.weight", [dim])
        norm2Bias = try reader.vector("norm2.bias", [dim])
        ffnIn = try reader.linear("ffn.net.0.proj", inputs: dim, outputs: config.ffnDim)
        ffnOut = try reader.linear("ffn.net.2", inputs: config.ffnDim, outputs: dim)
        scaleShiftTable = try reader.vector("scale_shift_table", [1, 6, dim]).reshaped([6, dim])
    }

    /// Shift, scale and gate of self-attention and of the MLP, each `[times, dim]`.
    package struct Modulation {
        package let shift1, scale1, gate1, shift2, scale2, gate2: Tensor
    }

    /// The block's table plus the time projection `[times, 6, dim]`.
    package func modulation(_ timeProjection: Tensor) -> Modulation {
        let dim = config.dim
        let batch = timeProjection.count / (6 * dim)
        let rows = (0..<6).map { row in
            Tensor(shape: [batch, dim]) { out in
                timeProjection.withUnsafe { time in
                    scaleShiftTable.withUnsafe { table in
                        for b in 0..<batch {
                            for c in 0..<dim {
                                out[b * dim + c] = table[row * dim + c] + time[(b * 6 + row) * dim + c]
                            }
                        }
                    }
                }
            }
        }
        return Modulation(
            shift1: rows[0], scale1: rows[1], gate1: rows[2], shift2: rows[3], scale2: rows[4], gate2: rows[5])
    }

    /// x `[B * T, dim]` through the block. `contexts` holds one entry's keys and values for each batch entry; each time
    /// serves as many consecutive tokens as every other.
    package func forward(
        _ x: Tensor, timeProjection: Tensor, contexts: [WanTextContext.KeysValues], rope: RotaryTable
    ) -> Tensor {
        let m = modulation(timeProjection)
        let a = compute.modulatedLayerNorm(x, scale: m.scale1, shift: m.shift1, eps: config.eps)
        let x1 = selfAttention(a, batch: contexts.count, rope: rope, addingTo: GatedResidual(x, gate: m.gate1))
        let x2 = crossAttention(norm2(x1), contexts: contexts, addingTo: GatedResidual(x1))
        let f = compute.modulatedLayerNorm(x2, scale: m.scale2, shift: m.shift2, eps: config.eps)
        return feedForward(f, addingTo: GatedResidual(x2, gate: m.gate2))
    }

    package func selfAttention(
        _ x: Tensor, batch: Int, rope: RotaryTable, addingTo residual: GatedResidual? = nil
    ) -> Tensor {
        let projected = compute.linear(x, [attn1.q, attn1.k, attn1.v])
        let turned = compute.rotatedNorms(
            of: Array(projected[..<2]), weights: [attn1.normQ, attn1.normK], eps: config.eps, by: rope,
            heads: config.heads)
        let attended = compute.attention(
            q: turned[0], k: turned[1], v: projected[2], batch: batch, heads: config.heads)
        return compute.linear(attended, attn1.out, addingTo: residual)
    }

    /// The affine norm before cross-attention, without modulation.
    package func norm2(_ x: Tensor) -> Tensor {
        compute.layerNorm(x, weight: norm2Weight, bias: norm2Bias, eps: config.eps)
    }

    package func crossAttention(
        _ x: Tensor, contexts: [WanTextContext.KeysValues], addingTo residual: GatedResidual? = nil
    ) -> Tensor {
        let q = compute.rmsNorm(compute.linear(x, attn2.q), weight: attn2.normQ, eps: config.eps)
        let tokens = q.shape[0] / contexts.count
        // Prompts differ in length, so each batch entry attends to its own keys.
        let attended = contexts.enumerated().map { index, context in
            compute.attention(
                q: q.slice(index * tokens..<(index + 1) * tokens), k: context.keys, v: context.values,
                heads: config.heads, mask: AttentionMask(keyBias: context.keyBias))
        }
        return compute.linear(
            attended.count == 1 ? attended[0] : Tensor.concatenate(attended), attn2.out, addingTo: residual)
    }

    package func feedForward(_ x: Tensor, addingTo residual: GatedResidual? = nil) -> Tensor {
        compute.linear(compute.linear(x, ffnIn, activation: .geluTanh), ffnOut, addingTo: residual)
    }

    /// Cross-attention keys and values of projected text `[n, dim]`. They do not depend on the step.
    package func keysValues(_ text: Tensor, keyBias: Tensor?) -> WanTextContext.KeysValues {
        let compute = compute.unquantized
        let projected = compute.linear(text, [attn2.k, attn2.v])
        return WanTextContext.KeysValues(
            keys: compute.rmsNorm(projected[0], weight: attn2.normK, eps: config.eps), values: projected[1],
            keyBias: keyBias)
    }
}

/// What the blocks of one expert keep of one prompt: computed once, used by every step and every image of the prompt.
///
/// Each block makes its own when it first runs, so that one pass through the weights is enough.
package final class WanTextContext: Sendable {
    package struct KeysValues: Sendable {
        /// `[n, dim]`
        let keys, values: Tensor
        /// `[1, n]`
        let keyBias: Tensor?

        /// Apart from the memory of the step that makes them.
        var kept: KeysValues {
            KeysValues(
                keys: Tensor.lasting(keys.copy), values: Tensor.lasting(values.copy), keyBias: keyBias)
        }
    }

    /// `[n, dim]`: the text after its projection.
    private let text: Tensor
    private let keyBias: Tensor?
    private let blocks: Mutex<[Int: KeysValues]>

    init(text: Tensor, keyBias: Tensor?) {
        self.text = text
        self.keyBias = keyBias
        blocks = Mutex([:])
    }

    func keysValues(_ index: Int, of block: WanBlock) -> KeysValues {
        if let known = blocks.withLock({ $0[index] }) { return known }
        let made = block.keysValues(text, keyBias: keyBias).kept
        blocks.withLock { $0[index] = made }
        return made
    }
}

/// A prompt as the text encoder gives it, without its padding.
package struct TextEmbedding: Sendable {
    /// `[n, textDim]`: the rows of real tokens.
    package let rows: Tensor
    /// Rows after padding with zeros; at least n.
    package let paddedLength: Int

    package init(rows: Tensor, paddedLength: Int) {
        self.rows = rows
        self.paddedLength = max(paddedLength, rows.shape[0])
    }

    /// Takes the zero rows at the end of `[length, textDim]` for padding.
    package init(padded: Tensor) {
        let (length, dim) = (padded.shape[0], padded.shape[1])
        let count = padded.withUnsafe { values in
            (0..<length).last { row in values[row * dim..<(row + 1) * dim].contains { $0 != 0 } }.map { $0 + 1 } ?? 0
        }
        self.init(rows: padded.slice(0..<count), paddedLength: length)
    }
}
