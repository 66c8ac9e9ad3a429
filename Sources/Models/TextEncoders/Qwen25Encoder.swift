import PromptText
import Tensor
import Weights

/// The text path of Qwen2.5-VL: token ids in, and maybe rows of pictures; the last layer's rows out.
package struct Qwen25Encoder: Sendable {
    private let decoder: QwenDecoder

    package var config: QwenConfig { decoder.config }

    /// The vision tower and the head that predicts words have no part in this, and count as read.
    ///
    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: QwenConfig, compute: Compute) throws(WeightError) {
        reader.passOver(["visual.", "model.visual.", "lm_head."])
        decoder = try QwenDecoder(
            reader, config: config, heads: .biases, layers: config.layers, finalNorm: true, compute: compute)
    }

    /// The rows `[ids.count, dim]` of the tokens of one text, after the final norm.
    ///
    /// - Parameters:
    ///   - pictures: what stands in place of tokens.
    ///   - onHidden: called with the residual stream `[ids.count, dim]` before each layer, and with the result.
    ///   - interrupt: called before each layer; throwing from it ends the forward pass.
    /// - Throws: `TextError.unusableTokens` for an id outside the vocabulary, no ids at all, or pictures that do not fit their
    ///   marks.
    package func encode(
        _ ids: [Int], pictures: QwenPictureRows? = nil, onHidden: (Tensor) -> Void = { _ in },
        interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        try decoder.rows(of: ids, pictures: pictures, onHidden: onHidden, interrupt: interrupt)
    }
}
