import PromptText
import Tensor
import Weights

/// The UMT5 text encoder: token ids in, one row of `dim` values per token out.
///
/// Reference: `UMT5EncoderModel` in transformers' modeling_umt5.py. Everything is float32 between the weights. Padding
/// is never computed: padded keys are masked and padded rows dropped, so a prompt gives the same rows alone.
package struct UMT5Encoder: Sendable {
    package let config: UMT5Config
    private let blocks: [UMT5Block]
    private let stream: ResidualStream

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: UMT5Config, compute: Compute) throws(WeightError) {
        self.config = config
        // One matrix under two names: files hold either or both.
        let names = ["shared.weight", "encoder.embed_tokens.weight"].filter(reader.contains)
        var embedding = try reader.weight(names.first ?? "shared.weight", [config.vocabulary, config.dim])
        for name in names.dropFirst() { embedding = try reader.weight(name, embedding.shape) }
        let encoder = reader.scope("encoder")
        var blocks: [UMT5Block] = []
        for index in 0..<config.layers {
            blocks.append(try UMT5Block(encoder.scope("block", index), config: config))
        }
        self.blocks = blocks
        stream = ResidualStream(
            embedding: embedding, finalNorm: try encoder.vector("final_layer_norm.weight", [config.dim]),
            eps: config.eps, compute: compute)
    }

    /// The encoding `[ids.count, dim]` of the tokens of one text, without padding.
    ///
    /// - Parameters:
    ///   - onHidden: called with the residual stream `[ids.count, dim]` before each block, and with the result.
    ///   - interrupt: called before each block; throwing from it ends the forward pass.
    /// - Throws: `TextError.unusableTokens` for an id outside the vocabulary or no ids at all.
    package func encode(
        _ ids: [Int], onHidden: (Tensor) -> Void = { _ in }, interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let position = RelativePosition(buckets: config.buckets, maxDistance: config.maxDistance)
        return try stream.rows(of: ids, through: blocks, onHidden: onHidden, interrupt: interrupt) { block, x in
            block.forward(x, position: position, config: config, compute: stream.compute)
        }
    }
}

/// One layer of the encoder: self-attention and a gated feed-forward layer, each behind an RMS norm.
private struct UMT5Block {
    private let attentionNorm, feedForwardNorm: Tensor
    private let q, k, v, o: Linear
    /// `[buckets, heads]`. T5 has one for all layers, UMT5 one in each.
    private let positionTable: Tensor
    private let gate, up, down: Linear

    init(_ reader: WeightReader, config: UMT5Config) throws(WeightError) {
        let dim = config.dim
        let inner = config.heads * config.headDim
        attentionNorm = try reader.vector("layer.0.layer_norm.weight", [dim])
        let attention = reader.scope("layer.0.SelfAttention")
        q = try attention.linear("q", inputs: dim, outputs: inner, bias: false)
        k = try attention.linear("k", inputs: dim, outputs: inner, bias: false)
        v = try attention.linear("v", inputs: dim, outputs: inner, bias: false)
        o = try attention.linear("o", inputs: inner, outputs: dim, bias: false)
        positionTable = try attention.vector("relative_attention_bias.weight", [config.buckets, config.heads])
        feedForwardNorm = try reader.vector("layer.1.layer_norm.weight", [dim])
        let feedForward = reader.scope("layer.1.DenseReluDense")
        gate = try feedForward.linear("wi_0", inputs: dim, outputs: config.ffnDim, bias: false)
        up = try feedForward.linear("wi_1", inputs: dim, outputs: config.ffnDim, bias: false)
        down = try feedForward.linear("wo", inputs: config.ffnDim, outputs: dim, bias: false)
    }

    /// x `[T, dim]` -> the same shape.
    func forward(_ x: Tensor, position: RelativePosition, config: UMT5Config, compute: Compute) -> Tensor {
        let a = compute.rmsNorm(x, weight: attentionNorm, eps: config.eps)
        let projected = compute.linear(a, [q, k, v])
        let attended = compute.attention(
            q: projected[0], k: projected[1], v: projected[2], heads: config.heads,
            scale: 1,  // T5 trains without 1 / sqrt(D)
            mask: AttentionMask(scoreBias: position.bias(positionTable, count: x.shape[0])))
        let y = compute.linear(attended, o, addingTo: GatedResidual(x))
        let f = compute.rmsNorm(y, weight: feedForwardNorm, eps: config.eps)
        let gated = compute.linear(f, [gate, up])
        let hidden = compute.activate(gated[0], config.activation, times: gated[1])
        return compute.linear(hidden, down, addingTo: GatedResidual(y))
    }
}
