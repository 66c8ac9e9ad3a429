import PromptText
import Tensor

/// The text side of a pipeline: a prompt becomes rows that the denoising network reads.
package protocol PromptEncoder: Sendable {
    /// Values of a row.
    var width: Int { get }
    /// The most tokens of a prompt, as `tokenCount` counts them; what is beyond has no row.
    var length: Int { get }

    /// What is left of a prompt for the tokenizer.
    func cleaned(_ prompt: String) -> String

    func tokenCount(of prompt: String) -> Int

    /// The rows `[n, width]` of a prompt, n <= `length`.
    ///
    /// - Parameter interrupt: called before each layer; throwing from it ends the encoding.
    func rows(of prompt: String, interrupt: () throws -> Void) throws -> Tensor

    /// Like `rows(of:)` for some prompt of `count` tokens, to see what it takes.
    func rows(ofTokens count: Int) throws -> Tensor
}

extension PromptEncoder {
    package func cleaned(_ prompt: String) -> String { prompt }
}
