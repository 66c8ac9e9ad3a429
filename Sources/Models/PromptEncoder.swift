import Tensor

/// The text side of a model: a prompt becomes what the denoising network reads.
package protocol PromptEncoder: Sendable {
    /// Values in a row of text, as the network reads it.
    var width: Int { get }
    /// The most tokens of a prompt, as `tokenCount` counts them; the model does not see what is beyond.
    var length: Int { get }

    /// What is left of a prompt for the tokenizer. Prompts that are cleaned to one text have one conditioning.
    func cleaned(_ prompt: String) -> String

    func tokenCount(of prompt: String) -> Int

    /// Cleans, tokenises and encodes a prompt.
    /// - Parameter interrupt: called before each layer; throwing from it ends the encoding.
    func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning

    /// Like `encode` for some prompt of `count` tokens, to plan the memory it takes.
    func encode(tokens count: Int) throws -> Conditioning

    /// Tensors of the shapes that a prompt of `count` tokens has, and of no meaning.
    func placeholder(tokens count: Int) -> Conditioning
}

extension PromptEncoder {
    package func cleaned(_ prompt: String) -> String { prompt }

    package func placeholder(tokens count: Int) -> Conditioning {
        Conditioning(rows: Tensor.lasting { Tensor(uninitialized: [count, width]) })
    }
}
