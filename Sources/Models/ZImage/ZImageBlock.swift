import Foundation
import Tensor
import Weights

/// The rows that a block attends over: one sequence for each batch entry, one after the other.
package struct ZImageSequences: Sendable {
    /// Rows of each entry.
    let counts: [Int]
    /// Angles of all rows.
    let rope: RotaryTable

    package init(_ ropes: [RotaryTable]) {
        counts = ropes.map { $0.cosine.shape[0] }
        rope = .concatenate(ropes)
    }
}

/// One block: attention and a gated MLP, each between two RMS norms.
///
/// Reference: `ZImageTransformerBlock` in diffusers' transformer_z_image.py.
package struct ZImageBlock: Sendable {
    private let config: ZImageTransformerConfig
    private let compute: Compute
    /// The modulation by the time; nil in blocks that see captions alone, which know of no time.
    private let modulation: Linear?
    /// `[dim]`: norms before and after the attention and the MLP.
    package let attentionNorm1, attentionNorm2, ffnNorm1, ffnNorm2: Tensor
    private let q, k, v, out: Linear
    /// `[headDim]`: the norms are taken head by head.
    private let normQ, normK: Tensor
    private let w1, w2, w3: Linear

    package init(
        _ reader: WeightReader, config: ZImageTransformerConfig, isModulated: Bool, compute: Compute
    ) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute
        modulation =
            isModulated ? try reader.linear("adaLN_modulation.0", inputs: config.timeDim, outputs: 4 * dim) : nil
        attentionNorm1 = try reader.vector("attention_norm1.weight", [dim])
        attentionNorm2 = try reader.vector("attention_norm2.weight", [dim])
        ffnNorm1 = try reader.vector("ffn_norm1.weight", [dim])
        ffnNorm2 = try reader.vector("ffn_norm2.weight", [dim])
        let attention = reader.scope("attention")
        (q, k, v) = (
            try Self.projection(attention, 0, dim: dim), try Self.projection(attention, 1, dim: dim),
            try Self.projection(attention, 2, dim: dim)
        )
        normQ = try attention.vector("norm_q.weight", [config.headDim])
        normK = try attention.vector("norm_k.weight", [config.headDim])
        out = try attention.linear("to_out.0", inputs: dim, outputs: dim, bias: false)
        let ffn = reader.scope("feed_forward")
        w1 = try ffn.linear("w1", inputs: dim, outputs: config.ffnDim, bias: false)
        w3 = try ffn.linear("w3", inputs: dim, outputs: config.ffnDim, bias: false)
        w2 = try ffn.linear("w2", inputs: config.ffnDim, outputs: dim, bias: false)
    }

    package static let projections = ["to_q", "to_k", "to_v"]

    /// Queries, keys or values: a layer of their own, or a third of one.
    package static func projection(_ attention: WeightReader, _ part: Int, dim: Int) throws(WeightError) -> Linear {
        try attention.linear(
            projections[part], inputs: dim, outputs: dim, bias: false, partOf: ZImageKeys.fused(part, dim: dim))
    }

    /// Scales and gates, on the weights of the norms that they follow, `[B, dim]` each; without a modulation the weights.
    package struct Norms {
        package let attention1, attention2, ffn1, ffn2: Tensor
    }

    /// - Parameter time: the time embedding `[B, timeDim]` itself.
    package func norms(_ time: Tensor?) -> Norms {
        guard let modulation, let time else {
            return Norms(attention1: attentionNorm1, attention2: attentionNorm2, ffn1: ffnNorm1, ffn2: ffnNorm2)
        }
        let dim = config.dim
        let factors = compute.unquantized.linear(time, modulation)
        /// Quarter `part` of the factors, changed, times a norm's weight.
        func weights(_ norm: Tensor, _ part: Int, _ change: (Float) -> Float) -> Tensor {
            Tensor(shape: [factors.shape[0], dim]) { out in
                factors.withUnsafe { factors in
                    norm.withUnsafe { norm in
                        for entry in 0..<out.count / dim {
                            for column in 0..<dim {
                                let factor = factors[(entry * 4 + part) * dim + column]
                                out[entry * dim + column] = norm[column] * change(factor)
                            }
                        }
                    }
                }
            }
        }
        return Norms(
            attention1: weights(attentionNorm1, 0) { 1 + $0 }, attention2: weights(attentionNorm2, 1, tanhf),
            ffn1: weights(ffnNorm1, 2) { 1 + $0 }, ffn2: weights(ffnNorm2, 3, tanhf))
    }

    /// - Parameters:
    ///   - x: `[rows of all sequences, dim]`.
    ///   - time: the time embedding `[B, timeDim]`, one row for each sequence; nil for a block without a modulation.
    /// - Returns: like x.
    package func forward(_ x: Tensor, _ sequences: ZImageSequences, time: Tensor?) -> Tensor {
        let norms = norms(time)
        let runs = modulation == nil ? nil : sequences.counts
        func norm(_ y: Tensor, _ weight: Tensor, addingTo residual: Tensor? = nil) -> Tensor {
            compute.rmsNorm(y, weight: weight, runs: runs, eps: config.eps, addingTo: residual)
        }
        let attended = attention(norm(x, norms.attention1), sequences)
        let y = norm(attended, norms.attention2, addingTo: x)
        return norm(feedForward(norm(y, norms.ffn1)), norms.ffn2, addingTo: y)
    }

    /// Attention inside each sequence, with its output projection.
    package func attention(_ a: Tensor, _ sequences: ZImageSequences) -> Tensor {
        let turned = compute.rotatedNorms(
            of: [compute.linear(a, q), compute.linear(a, k)], weights: [normQ, normK], eps: config.eps,
            by: sequences.rope, heads: config.heads)
        let values = compute.linear(a, v)
        let counts = sequences.counts
        guard Set(counts).count > 1 else {
            let attended = compute.attention(
                q: turned[0], k: turned[1], v: values, batch: counts.count, heads: config.heads)
            return compute.linear(attended, out)
        }
        var start = 0
        let parts = counts.map { count in
            defer { start += count }
            let rows = start..<start + count
            return compute.attention(
                q: turned[0].slice(rows), k: turned[1].slice(rows), v: values.slice(rows), heads: config.heads)
        }
        return compute.linear(Tensor.concatenate(parts), out)
    }

    package func feedForward(_ f: Tensor) -> Tensor {
        compute.linear(compute.activate(compute.linear(f, w1), .silu, times: compute.linear(f, w3)), w2)
    }
}
