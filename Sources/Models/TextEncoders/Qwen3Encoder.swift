import PromptText
import Tensor
import Weights

/// Qwen3 as a text encoder: token ids in, the hidden states of chosen layers out.
package struct Qwen3Encoder: Sendable {
    /// The hidden states that `encode` gives, in this order.
    package let states: [Int]
    private let decoder: QwenDecoder

    package var config: QwenConfig { decoder.config }
    /// The arithmetic for what is done with the encoder's states.
    package let compute: Compute

    /// The head that predicts words and whatever lies beyond the last state asked for have no part in this: they are not
    /// read, and count as read.
    ///
    /// - Parameter states: transformers' numbers of hidden states: 0 is the embedding, k the stream after k layers, and the
    ///   number of layers the stream after all of them and the final norm.
    /// - Throws: `WeightError` with the key that is missing or has another shape; `TextError.invalid` for a state that a
    ///   network of so many layers does not have.
    package init(_ reader: WeightReader, config: QwenConfig, states: [Int], compute: Compute) throws {
        guard let last = states.max(), states.allSatisfy({ (0...config.layers).contains($0) }) else {
            throw TextError.invalid(
                file: reader.checkpoint.path, field: "num_hidden_layers",
                reason: "\(config.layers) layers do not have the hidden states \(states) that are read here")
        }
        self.states = states
        self.compute = compute
        reader.passOver(["lm_head."])
        decoder = try QwenDecoder(
            reader, config: config, heads: .norms, layers: last, finalNorm: last == config.layers, compute: compute)
    }

    /// Rows of some token after a text. Each of them sees the text, and neither the rows beside it nor itself.
    package struct Padding {
        let token: Int
        /// Rows of text and padding.
        let length: Int

        package init(token: Int, length: Int) {
            self.token = token
            self.length = length
        }
    }

    /// The hidden states `[rows, dim]` of the tokens of one text, and of the padding after it, one for each of `states`.
    ///
    /// - Parameter interrupt: called before each layer; throwing from it ends the forward pass.
    /// - Throws: `TextError.unusableTokens` for an id outside the vocabulary or no ids at all.
    package func encode(
        _ ids: [Int], padding: Padding? = nil, interrupt: () throws -> Void = {}
    ) throws -> [Tensor] {
        guard !ids.isEmpty else { throw TextError.unusableTokens(reason: "there are none") }
        let filler = padding.map { [Int](repeating: $0.token, count: max($0.length - ids.count, 0)) } ?? []
        var kept: [Int: Tensor] = [:]
        var index = 0
        _ = try decoder.rows(
            of: ids + filler, seen: ids.count,
            onHidden: { hidden in
                if states.contains(index) { kept[index] = hidden }
                index += 1
            }, interrupt: interrupt)
        return states.compactMap { kept[$0] }
    }
}
