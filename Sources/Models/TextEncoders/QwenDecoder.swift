import Foundation
import PromptText
import Tensor
import Weights

/// The decoder that Qwen2.5's text path and Qwen3 are, apart from what they do to queries and keys.
///
/// Reference: `Qwen2_5_VLTextModel` and `Qwen3Model` in transformers. Everything is float32 between the weights. A decoder is
/// causal, so what follows a token does not change its row.
struct QwenDecoder: Sendable {
    /// What becomes of queries and keys before they are rotated.
    enum Heads {
        /// Qwen2.5: their projections, and that of the values, have biases.
        case biases
        /// Qwen3: every head goes through an RMS norm.
        case norms
    }

    let config: QwenConfig
    private let layers: [QwenLayer]
    private let stream: ResidualStream

    /// What stands before the decoder's keys: the published shards say `model.`, newer ones of Qwen2.5-VL
    /// `model.language_model.`, and a `Qwen3Model` that was saved alone has bare keys.
    static func prefix(of contains: (String) -> Bool) -> String {
        ["model.language_model.", "model.", ""].first { contains($0 + "embed_tokens.weight") } ?? "model."
    }

    /// - Parameters:
    ///   - reader: of the whole checkpoint.
    ///   - count: layers that are run; what comes after them has no part in the result, and counts as read.
    /// - Throws: `WeightError` with the key that is missing or has another shape.
    init(
        _ reader: WeightReader, config: QwenConfig, heads: Heads, layers count: Int, finalNorm: Bool, compute: Compute
    ) throws(WeightError) {
        self.config = config
        let prefix = Self.prefix(of: reader.contains)
        let text = prefix.isEmpty ? reader : reader.scope(String(prefix.dropLast()))
        let embedding = try text.weight("embed_tokens.weight", [config.vocabulary, config.dim])
        var layers: [QwenLayer] = []
        for index in 0..<count {
            layers.append(try QwenLayer(text.scope("layers", index), config: config, heads: heads))
        }
        self.layers = layers
        text.passOver((count..<config.layers).map { "layers.\($0)." })
        if !finalNorm { text.passOver(["norm."]) }
        stream = ResidualStream(
            embedding: embedding, finalNorm: finalNorm ? try text.vector("norm.weight", [config.dim]) : nil,
            eps: config.eps, compute: compute)
    }

    /// The rows `[ids.count, dim]` of the tokens of one text; see `ResidualStream`.
    /// - Parameters:
    ///   - seen: how many of the tokens are text; nil for all. Those after them are padding that is read itself: each of its
    ///     rows attends to the text alone.
    ///   - pictures: what stands in place of tokens.
    /// - Throws: also `TextError.unusableTokens` for pictures that do not fit their marks.
    func rows(
        of ids: [Int], seen: Int? = nil, pictures: QwenPictureRows? = nil, onHidden: (Tensor) -> Void,
        interrupt: () throws -> Void
    ) throws -> Tensor {
        let positions = try pictures.map {
            try QwenPicturePositions(ids: ids, token: $0.token, grids: $0.grids)
        }
        let rope = positions.map { config.rope(places: $0.places) } ?? config.rope(count: ids.count)
        return try stream.rows(
            of: ids, through: layers,
            inPlaceOf: { index in
                guard let pictures, let row = positions?.rows[index] else { return nil }
                return pictures.rows.slice(row..<row + 1)
            }, onHidden: onHidden, interrupt: interrupt
        ) { layer, x in
            layer.forward(x, seen: seen ?? ids.count, rope: rope, config: config, compute: stream.compute)
        }
    }
}

extension QwenConfig {
    /// Angles `[count, headDim / 2]`: position times theta^(-2j / headDim), in float32 as the reference has them.
    /// - Parameter position: of a token for a pair of each head.
    package func rope(count: Int, position: (_ token: Int, _ pair: Int) -> Int = { token, _ in token }) -> RotaryTable {
        .standard(count: count, headDim: headDim, theta: ropeTheta, position: position)
    }
}

/// One layer: causal self-attention and a gated MLP, each behind an RMS norm.
private struct QwenLayer {
    private let attentionNorm, mlpNorm: Tensor
    private let q, k, v, o: Linear
    /// `[headDim]`, where heads have norms.
    private let normQ, normK: Tensor?
    private let gate, up, down: Linear

    init(_ reader: WeightReader, config: QwenConfig, heads: QwenDecoder.Heads) throws(WeightError) {
        let dim = config.dim
        let (queries, keys) = (config.heads * config.headDim, config.kvHeads * config.headDim)
        attentionNorm = try reader.vector("input_layernorm.weight", [dim])
        let attention = reader.scope("self_attn")
        let bias = heads == .biases
        q = try attention.linear("q_proj", inputs: dim, outputs: queries, bias: bias)
        k = try attention.linear("k_proj", inputs: dim, outputs: keys, bias: bias)
        v = try attention.linear("v_proj", inputs: dim, outputs: keys, bias: bias)
        normQ = heads == .norms ? try attention.vector("q_norm.weight", [config.headDim]) : nil
        normK = heads == .norms ? try attention.vector("k_norm.weight", [config.headDim]) : nil
        o = try attention.linear("o_proj", inputs: queries, outputs: dim, bias: false)
        mlpNorm = try reader.vector("post_attention_layernorm.weight", [dim])
        let mlp = reader.scope("mlp")
        gate = try mlp.linear("gate_proj", inputs: dim, outputs: config.ffnDim, bias: false)
        up = try mlp.linear("up_proj", inputs: dim, outputs: config.ffnDim, bias: false)
        down = try mlp.linear("down_proj", inputs: config.ffnDim, outputs: dim, bias: false)
    }

    /// x `[T, dim]` -> the same shape; the first `seen` rows are attended to.
    func forward(_ x: Tensor, seen: Int, rope: RotaryTable, config: QwenConfig, compute: Compute) -> Tensor {
        func turned(_ projected: Tensor, norm: Tensor?, heads: Int) -> Tensor {
            let normed = norm.map { norm in
                let rows = projected.reshaped([projected.shape[0] * heads, config.headDim])
                return compute.rmsNorm(rows, weight: norm, eps: config.eps).reshaped(projected.shape)
            }
            return compute.rotateHalves(normed ?? projected, by: rope, heads: heads)
        }
        let a = compute.rmsNorm(x, weight: attentionNorm, eps: config.eps)
        let queries = turned(compute.linear(a, q), norm: normQ, heads: config.heads)
        let text = a.slice(0..<seen)
        let keys = turned(compute.linear(text, k), norm: normK, heads: config.kvHeads)
        let values = compute.linear(text, v)
        func attention(_ rows: Range<Int>, causal: Bool) -> Tensor {
            compute.attention(
                q: queries.slice(rows), k: keys, v: values, heads: config.heads, kvHeads: config.kvHeads,
                mask: AttentionMask(causal: causal))
        }
        let rows = x.shape[0]
        let ofText = attention(0..<seen, causal: true)
        let attended = seen < rows ? Tensor.concatenate([ofText, attention(seen..<rows, causal: false)]) : ofText
        let y = compute.linear(attended, o, addingTo: GatedResidual(x))
        let f = compute.rmsNorm(y, weight: mlpNorm, eps: config.eps)
        let hidden = compute.activate(compute.linear(f, gate), .silu, times: compute.linear(f, up))
        return compute.linear(hidden, down, addingTo: GatedResidual(y))
    }
}
