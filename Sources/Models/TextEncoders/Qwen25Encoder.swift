import Foundation
import PromptText
import Tensor
import Weights

/// The text path of Qwen2.5-VL: token ids in, the last layer's rows out.
///
/// Reference: `Qwen2_5_VLTextModel` in transformers' modeling_qwen2_5_vl.py. Everything is float32 between the weights.
/// A decoder is causal, so what follows a token does not change its row, and padding is never computed.
package struct Qwen25Encoder: Sendable {
    package let config: Qwen25Config
    private let layers: [Qwen25Layer]
    private let stream: ResidualStream

    /// The published shards say `model.`, newer ones `model.language_model.`
    static func prefix(of contains: (String) -> Bool) -> String {
        contains("model.language_model.norm.weight") ? "model.language_model." : "model."
    }

    /// The vision tower and the head that predicts words have no part in this, and count as read.
    ///
    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: Qwen25Config, compute: Compute) throws(WeightError) {
        self.config = config
        reader.passOver(["visual.", "model.visual.", "lm_head."])
        let text = reader.scope(String(Self.prefix(of: reader.contains).dropLast()))
        let embedding = try text.weight("embed_tokens.weight", [config.vocabulary, config.dim])
        var layers: [Qwen25Layer] = []
        for index in 0..<config.layers {
            layers.append(try Qwen25Layer(text.scope("layers", index), config: config))
        }
        self.layers = layers
        stream = ResidualStream(
            embedding: embedding, finalNorm: try text.vector("norm.weight", [config.dim]), eps: config.eps,
            compute: compute)
    }

    /// The rows `[ids.count, dim]` of the tokens of one text, after the final norm.
    ///
    /// - Parameters:
    ///   - onHidden: called with the residual stream `[ids.count, dim]` before each layer, and with the result.
    ///   - interrupt: called before each layer; throwing from it ends the forward pass.
    /// - Throws: `TextError.unusableTokens` for an id outside the vocabulary or no ids at all.
    package func encode(
        _ ids: [Int], onHidden: (Tensor) -> Void = { _ in }, interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let rope = rope(count: ids.count)
        return try stream.rows(of: ids, through: layers, onHidden: onHidden, interrupt: interrupt) { layer, x in
            layer.forward(x, rope: rope, config: config, compute: stream.compute)
        }
    }

    /// Angles `[count, headDim / 2]`: position times theta^(-2j / headDim), in float32 as the reference has them.
    package func rope(count: Int) -> RotaryTable {
        let half = config.headDim / 2
        let frequencies = (0..<half).map { 1 / powf(Float(config.ropeTheta), Float(2 * $0) / Float(config.headDim)) }
        let angles = (0..<count).flatMap { position in frequencies.map { Float(position) * $0 } }
        return RotaryTable(
            cosine: Tensor(angles.map(cosf), shape: [count, half]),
            sine: Tensor(angles.map(sinf), shape: [count, half]))
    }
}

/// One layer: causal self-attention and a gated MLP, each behind an RMS norm.
private struct Qwen25Layer {
    private let attentionNorm, mlpNorm: Tensor
    private let q, k, v, o: Linear
    private let gate, up, down: Linear

    init(_ reader: WeightReader, config: Qwen25Config) throws(WeightError) {
        let dim = config.dim
        let (queries, keys) = (config.heads * config.headDim, config.kvHeads * config.headDim)
        attentionNorm = try reader.vector("input_layernorm.weight", [dim])
        let attention = reader.scope("self_attn")
        q = try attention.linear("q_proj", inputs: dim, outputs: queries)
        k = try attention.linear("k_proj", inputs: dim, outputs: keys)
        v = try attention.linear("v_proj", inputs: dim, outputs: keys)
        o = try attention.linear("o_proj", inputs: queries, outputs: dim, bias: false)
        mlpNorm = try reader.vector("post_attention_layernorm.weight", [dim])
        let mlp = reader.scope("mlp")
        gate = try mlp.linear("gate_proj", inputs: dim, outputs: config.ffnDim, bias: false)
        up = try mlp.linear("up_proj", inputs: dim, outputs: config.ffnDim, bias: false)
        down = try mlp.linear("down_proj", inputs: config.ffnDim, outputs: dim, bias: false)
    }

    /// x `[T, dim]` -> the same shape.
    func forward(_ x: Tensor, rope: RotaryTable, config: Qwen25Config, compute: Compute) -> Tensor {
        let a = compute.rmsNorm(x, weight: attentionNorm, eps: config.eps)
        let attended = compute.attention(
            q: compute.rotateHalves(compute.linear(a, q), by: rope, heads: config.heads),
            k: compute.rotateHalves(compute.linear(a, k), by: rope, heads: config.kvHeads),
            v: compute.linear(a, v), heads: config.heads, kvHeads: config.kvHeads, mask: AttentionMask(causal: true))
        let y = compute.linear(attended, o, addingTo: GatedResidual(x))
        let f = compute.rmsNorm(y, weight: mlpNorm, eps: config.eps)
        let hidden = compute.activate(compute.linear(f, gate), .silu, times: compute.linear(f, up))
        return compute.linear(hidden, down, addingTo: GatedResidual(y))
    }
}
