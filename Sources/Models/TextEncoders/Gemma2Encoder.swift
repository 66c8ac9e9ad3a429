import Foundation
import PromptText
import Tensor
import Weights

/// Gemma 2 as a text encoder: token ids in, the last layer's rows after the final norm out.
///
/// Reference: `Gemma2Model` in transformers. Everything is float32 between the weights. It is causal, so that what tokens leave
/// behind for later ones never changes and may be kept (`Memory`).
package struct Gemma2Encoder: Sendable {
    package let config: Gemma2Config
    private let layers: [Gemma2Layer]
    private let stream: ResidualStream

    /// What the tokens at the beginning of a text leave behind for those after them.
    package struct Memory: Sendable {
        /// Keys and values of each layer, `[n, kvHeads * headDim]`.
        let keys, values: [Tensor]
        /// The tokens' own rows `[n, dim]`.
        package let rows: Tensor

        /// What the first `count` tokens leave behind.
        package func prefix(_ count: Int) -> Memory {
            Memory(
                keys: keys.map { $0.slice(0..<count) }, values: values.map { $0.slice(0..<count) },
                rows: rows.slice(0..<count))
        }

        var count: Int { rows.shape[0] }
    }

    /// The head that predicts words has no part in this, and counts as read.
    ///
    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: Gemma2Config, compute: Compute) throws(WeightError) {
        self.config = config
        let prefix = Gemma2Keys.prefix(of: reader.contains)
        reader.passOver(["lm_head."])
        let model = prefix.isEmpty ? reader : reader.scope(String(prefix.dropLast()))
        var layers: [Gemma2Layer] = []
        let embedding = try model.weight("embed_tokens.weight", [config.vocabulary, config.dim])
        for index in 0..<config.layers {
            layers.append(try Gemma2Layer(model.scope("layers", index), config: config, compute: compute))
        }
        self.layers = layers
        stream = ResidualStream(
            embedding: embedding, scale: Float(config.dim).squareRoot(),
            finalNorm: try Gemma2Layer.norm(model, "norm", config), eps: config.eps, compute: compute)
    }

    /// The rows `[ids.count, dim]` of tokens that follow those of `memory`.
    ///
    /// - Parameters:
    ///   - onHidden: called with the residual stream `[ids.count, dim]` before each layer, and with the result.
    ///   - interrupt: called before each layer; throwing from it ends the forward pass.
    /// - Throws: `TextError.unusableTokens` for an id outside the vocabulary or no ids at all.
    package func encode(
        _ ids: [Int], after memory: Memory? = nil, onHidden: (Tensor) -> Void = { _ in },
        interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        try run(ids, after: memory, onHidden: onHidden, interrupt: interrupt) { _, _ in }
    }

    /// What tokens that begin a text leave behind; its tensors last.
    package func memory(of ids: [Int], interrupt: () throws -> Void = {}) throws -> Memory {
        var (keys, values): ([Tensor], [Tensor]) = ([], [])
        let rows = try run(ids, after: nil, onHidden: { _ in }, interrupt: interrupt) { k, v in
            keys.append(Tensor.lasting(k.copy))
            values.append(Tensor.lasting(v.copy))
        }
        return Memory(keys: keys, values: values, rows: Tensor.lasting(rows.copy))
    }

    private func run(
        _ ids: [Int], after memory: Memory?, onHidden: (Tensor) -> Void, interrupt: () throws -> Void,
        onKeys: (_ keys: Tensor, _ values: Tensor) -> Void
    ) throws -> Tensor {
        let before = memory?.count ?? 0
        let whole = config.rope(count: before + ids.count)
        let rope = RotaryTable(
            cosine: whole.cosine.slice(before..<before + ids.count), sine: whole.sine.slice(before..<before + ids.count)
        )
        return try stream.rows(of: ids, through: Array(layers.enumerated()), onHidden: onHidden, interrupt: interrupt) {
            entry, x in
            let (index, layer) = entry
            var past: (keys: Tensor, values: Tensor)?
            if let memory, before > 0 { past = (memory.keys[index], memory.values[index]) }
            return layer.forward(x, after: past, rope: rope, onKeys: onKeys)
        }
    }
}

/// One layer: causal self-attention and a gated MLP, each between two RMS norms.
private struct Gemma2Layer: Sendable {
    private let config: Gemma2Config
    private let compute: Compute
    private let attentionNorm, attentionOutNorm, mlpNorm, mlpOutNorm: Tensor
    private let q, k, v, o: Linear
    private let gate, up, down: Linear

    init(_ reader: WeightReader, config: Gemma2Config, compute: Compute) throws(WeightError) {
        self.config = config
        self.compute = compute
        let dim = config.dim
        let (queries, keys) = (config.heads * config.headDim, config.kvHeads * config.headDim)
        attentionNorm = try Self.norm(reader, "input_layernorm", config)
        attentionOutNorm = try Self.norm(reader, "post_attention_layernorm", config)
        mlpNorm = try Self.norm(reader, "pre_feedforward_layernorm", config)
        mlpOutNorm = try Self.norm(reader, "post_feedforward_layernorm", config)
        let attention = reader.scope("self_attn")
        q = try attention.linear("q_proj", inputs: dim, outputs: queries, bias: false)
        k = try attention.linear("k_proj", inputs: dim, outputs: keys, bias: false)
        v = try attention.linear("v_proj", inputs: dim, outputs: keys, bias: false)
        o = try attention.linear("o_proj", inputs: queries, outputs: dim, bias: false)
        let mlp = reader.scope("mlp")
        gate = try mlp.linear("gate_proj", inputs: dim, outputs: config.ffnDim, bias: false)
        up = try mlp.linear("up_proj", inputs: dim, outputs: config.ffnDim, bias: false)
        down = try mlp.linear("down_proj", inputs: config.ffnDim, outputs: dim, bias: false)
    }

    /// Gemma's norms multiply by 1 + w, of which files have w, or the sum.
    static func norm(_ reader: WeightReader, _ name: String, _ config: Gemma2Config) throws(WeightError) -> Tensor {
        let sum = "\(name).\(Gemma2Keys.sum).weight"
        if reader.contains(sum) { return try reader.vector(sum, [config.dim]) }
        let stored = try reader.vector("\(name).weight", [config.dim])
        return Tensor.lasting {
            Tensor(shape: stored.shape) { out in
                stored.withUnsafe { stored in for index in out.indices { out[index] = 1 + stored[index] } }
            }
        }
    }

    /// x `[T, dim]` -> the same shape.
    func forward(
        _ x: Tensor, after past: (keys: Tensor, values: Tensor)?, rope: RotaryTable, onKeys: (Tensor, Tensor) -> Void
    ) -> Tensor {
        let a = compute.rmsNorm(x, weight: attentionNorm, eps: config.eps)
        let queries = compute.rotateHalves(compute.linear(a, q), by: rope, heads: config.heads)
        let keys = compute.rotateHalves(compute.linear(a, k), by: rope, heads: config.kvHeads)
        let values = compute.linear(a, v)
        onKeys(keys, values)
        let attended = compute.attention(
            q: queries, k: past.map { .concatenate([$0.keys, keys]) } ?? keys,
            v: past.map { .concatenate([$0.values, values]) } ?? values, heads: config.heads, kvHeads: config.kvHeads,
            scale: 1 / config.scoreScalar.squareRoot(), softCap: config.scoreCap,
            mask: AttentionMask(causal: true, keysBefore: past?.keys.shape[0] ?? 0))
        let y = compute.rmsNorm(
            compute.linear(attended, o), weight: attentionOutNorm, eps: config.eps, addingTo: x)
        let f = compute.rmsNorm(y, weight: mlpNorm, eps: config.eps)
        let hidden = compute.activate(compute.linear(f, gate), .geluTanh, times: compute.linear(f, up))
        return compute.rmsNorm(compute.linear(hidden, down), weight: mlpOutNorm, eps: config.eps, addingTo: y)
    }
}
