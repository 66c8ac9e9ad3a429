import PromptText
import Tensor

/// What text encoders have in common around their layers: rows of an embedding table, the residual stream that the layers
/// add to, and a norm at its end.
struct ResidualStream: Sendable {
    /// `[vocabulary, dim]`, read row by row where it lies.
    let embedding: Weight
    /// The factor of the embedding's rows.
    var scale: Float = 1
    /// `[dim]`; nil where the stream itself is wanted.
    let finalNorm: Tensor?
    let eps: Float
    let compute: Compute

    /// The rows `[ids.count, dim]` of the tokens of one text, after the final norm if there is one.
    ///
    /// - Parameters:
    ///   - inPlaceOf: the row `[1, dim]` that stands in place of the token of an index; nil for its own.
    ///   - onHidden: called with the stream `[ids.count, dim]` before each layer, and with the result.
    ///   - interrupt: called before each layer; throwing from it ends the forward pass.
    ///   - forward: one layer: the stream to the stream.
    /// - Throws: `TextError.unusableTokens` for an id outside the vocabulary or no ids at all.
    func rows<Layer>(
        of ids: [Int], through layers: [Layer], inPlaceOf given: (Int) -> Tensor? = { _ in nil },
        onHidden: (Tensor) -> Void, interrupt: () throws -> Void,
        forward: (Layer, Tensor) -> Tensor
    ) throws -> Tensor {
        let vocabulary = embedding.shape[0]
        guard !ids.isEmpty else { throw TextError.unusableTokens(reason: "there are none") }
        if let id = ids.first(where: { !(0..<vocabulary).contains($0) }) {
            throw TextError.unusableTokens(
                reason: "id \(id) is outside the vocabulary of \(vocabulary); the tokenizer is another model's")
        }
        var x = Tensor.concatenate(ids.enumerated().map { given($0) ?? embedding.rows($1..<$1 + 1) })
        if scale != 1 { x.update { x in for index in x.indices { x[index] *= scale } } }
        for layer in layers {
            try interrupt()
            onHidden(x)
            x = forward(layer, x)
        }
        let result = finalNorm.map { compute.rmsNorm(x, weight: $0, eps: eps) } ?? x
        onHidden(result)
        return result
    }
}
