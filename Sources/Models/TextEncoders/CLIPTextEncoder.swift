import PromptText
import Tensor
import Weights

/// A CLIP text model: token ids in, the hidden states after each layer out, and one vector for the whole text.
///
/// Reference: `CLIPTextModelWithProjection` in transformers' modeling_clip.py. The mask is the causal one alone: padding
/// counts.
package struct CLIPTextEncoder: Sendable {
    package let config: CLIPConfig
    private let compute: Compute
    /// `[vocabulary, dim]`, read row by row where it lies.
    private let embedding: Weight
    /// `[length, dim]`
    private let positions: Tensor
    private let layers: [CLIPLayer]
    private let finalWeight, finalBias: Tensor
    /// The projection of the pooled vector; nil in a model that gives hidden states only.
    private let projection: Linear?

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(
        _ reader: WeightReader, config: CLIPConfig, hasProjection: Bool, compute: Compute
    ) throws(WeightError) {
        self.config = config
        self.compute = compute
        reader.passOver(CLIPKeys.foreign)
        let model = reader.scope("text_model")
        embedding = try model.weight("embeddings.token_embedding.weight", [config.vocabulary, config.dim])
        positions = try model.vector("embeddings.position_embedding.weight", [config.length, config.dim])
        var layers: [CLIPLayer] = []
        for index in 0..<config.layers {
            layers.append(try CLIPLayer(model.scope("encoder.layers", index), config: config, compute: compute))
        }
        self.layers = layers
        finalWeight = try model.vector("final_layer_norm.weight", [config.dim])
        finalBias = try model.vector("final_layer_norm.bias", [config.dim])
        if !hasProjection {
            projection = nil
            reader.passOver(["text_projection"])
        } else if reader.contains(CLIPKeys.transposedProjection) {
            let stored = try reader.vector(CLIPKeys.transposedProjection, [config.dim, config.projection])
            projection = Linear(
                weight: Weight(name: CLIPKeys.transposedProjection, Tensor.lasting { Self.transposed(stored) }),
                bias: nil)
        } else {
            projection = try reader.linear(
                "text_projection", inputs: config.dim, outputs: config.projection, bias: false)
        }
    }

    private static func transposed(_ x: Tensor) -> Tensor {
        let (rows, columns) = (x.shape[0], x.shape[1])
        return Tensor(shape: [columns, rows]) { out in
            x.withUnsafe { x in for index in out.indices { out[index] = x[index % rows * columns + index / rows] } }
        }
    }

    /// The hidden states `[ids.count, dim]` of one text: the embedding, then the stream after each layer, without the final
    /// norm.
    ///
    /// - Parameters:
    ///   - count: of layers that are computed; nil for all.
    ///   - interrupt: called before each layer; throwing from it ends the forward pass.
    /// - Throws: `TextError.unusableTokens` for an id outside the vocabulary, no ids or too many.
    package func states(
        of ids: [Int], layers count: Int? = nil, interrupt: () throws -> Void = {}
    ) throws -> [Tensor] {
        guard 1...config.length ~= ids.count else {
            throw TextError.unusableTokens(reason: "there are \(ids.count), expected 1...\(config.length)")
        }
        if let id = ids.first(where: { !(0..<config.vocabulary).contains($0) }) {
            throw TextError.unusableTokens(
                reason: "id \(id) is outside the vocabulary of \(config.vocabulary); the tokenizer is another model's")
        }
        let tokens = Tensor.concatenate(ids.map { embedding.rows($0..<$0 + 1) })
        var states = [compute.add(tokens, positions.slice(0..<ids.count))]
        for layer in layers.prefix(count ?? layers.count) {
            try interrupt()
            states.append(layer.forward(states[states.count - 1]))
        }
        return states
    }

    /// The final norm of the last hidden state.
    package func normed(_ state: Tensor) -> Tensor {
        compute.layerNorm(state, weight: finalWeight, bias: finalBias, eps: config.eps)
    }

    /// The vector `[projection]` of a text: the row of its first end token after all layers, normed and projected.
    package func pooled(_ state: Tensor, ids: [Int]) -> Tensor {
        let end = config.endID ?? ids.max() ?? 0
        let row = ids.firstIndex(of: end) ?? 0
        let normed = normed(state.slice(row..<row + 1))
        return projection.map { compute.linear(normed, $0)[0] } ?? normed[0]
    }

    // MARK: Files

    /// What a file is if it holds a CLIP text model.
    static func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [(CLIPKeys.first, false), (CLIPKeys.second, true)].compactMap { keys, isSecond in
            let tensors = try checkpoint.renamed(by: keys).tensors
            guard let table = tensors["text_model.embeddings.token_embedding.weight"], table.shape.count == 2,
                tensors["text_model.encoder.layers.0.layer_norm1.weight"] != nil,
                ((tensors["text_projection.weight"] ?? tensors[CLIPKeys.transposedProjection]) != nil) == isSecond
            else { return nil }
            return FileIdentity(
                .textEncoder, "CLIP text model of width \(table.shape[1]), vocabulary \(table.shape[0])",
                architecture: "clip", keys: keys
            ) { reader, compute in
                _ = try CLIPTextEncoder(
                    reader, config: try CLIPConfig.of(reader.checkpoint), hasProjection: isSecond, compute: compute)
            }
        }
    }
}

/// x += out(attention(LN1 x)); x += fc2(act(fc1(LN2 x))).
private struct CLIPLayer {
    private let config: CLIPConfig
    private let compute: Compute
    private let weight1, bias1, weight2, bias2: Tensor
    private let q, k, v, out, fc1, fc2: Linear

    init(_ reader: WeightReader, config: CLIPConfig, compute: Compute) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute
        weight1 = try reader.vector("layer_norm1.weight", [dim])
        bias1 = try reader.vector("layer_norm1.bias", [dim])
        weight2 = try reader.vector("layer_norm2.weight", [dim])
        bias2 = try reader.vector("layer_norm2.bias", [dim])
        let attention = reader.scope("self_attn")
        func projection(_ name: String, _ part: Int) throws(WeightError) -> Linear {
            try attention.linear(
                name, inputs: dim, outputs: dim, partOf: FusedRows("in_proj", part: part, of: 3, rows: dim))
        }
        (q, k, v) = (try projection("q_proj", 0), try projection("k_proj", 1), try projection("v_proj", 2))
        out = try attention.linear("out_proj", inputs: dim, outputs: dim)
        fc1 = try reader.linear("mlp.fc1", inputs: dim, outputs: config.ffnDim)
        fc2 = try reader.linear("mlp.fc2", inputs: config.ffnDim, outputs: dim)
    }

    /// x `[n, dim]` -> the same shape.
    func forward(_ x: Tensor) -> Tensor {
        let a = compute.layerNorm(x, weight: weight1, bias: bias1, eps: config.eps)
        let projected = compute.linear(a, [q, k, v])
        let attended = compute.attention(
            q: projected[0], k: projected[1], v: projected[2], heads: config.heads, mask: AttentionMask(causal: true))
        let y = compute.linear(attended, out, addingTo: GatedResidual(x))
        let f = compute.layerNorm(y, weight: weight2, bias: bias2, eps: config.eps)
        return compute.linear(compute.linear(f, fc1, activation: config.activation), fc2, addingTo: GatedResidual(y))
    }
}
