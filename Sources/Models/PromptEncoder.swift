import Pictures
import Tensor

/// The text side of a model: a prompt becomes what the denoising network reads.
package protocol PromptEncoder: Sendable {
    /// Values in a row of text, as the network reads it.
    var width: Int { get }
    /// The most tokens of a prompt, as `tokenCount` counts them; the model does not see what is beyond.
    var length: Int { get }
    /// Whether prompts are read together with the reference pictures of a request.
    var seesPictures: Bool { get }

    /// What is left of a prompt for the tokenizer. Prompts that are cleaned to one text have one conditioning.
    func cleaned(_ prompt: String) -> String

    func tokenCount(of prompt: String) -> Int

    /// Why a prompt cannot be encoded, or nil.
    func refusal(of prompt: String) -> String?

    /// Cleans, tokenises and encodes a prompt.
    /// - Parameter interrupt: called before each layer; throwing from it ends the encoding.
    func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning

    /// Like `encode`, looking at pictures where `seesPictures`.
    /// - Throws: also `ModelError.needsPicture` or `.unusablePicture`.
    func encode(_ prompt: String, seeing pictures: [RGBImage], interrupt: () throws -> Void) throws -> Conditioning

    /// Like `encode` for some prompt of `count` tokens, to plan the memory it takes.
    func encode(tokens count: Int) throws -> Conditioning

    /// The same, looking at pictures where `seesPictures`.
    func encode(tokens count: Int, seeing pictures: [RGBImage]) throws -> Conditioning
}

extension PromptEncoder {
    package var seesPictures: Bool { false }

    package func cleaned(_ prompt: String) -> String { prompt }

    package func refusal(of prompt: String) -> String? { nil }

    package func encode(
        _ prompt: String, seeing pictures: [RGBImage], interrupt: () throws -> Void
    ) throws -> Conditioning {
        try encode(prompt, interrupt: interrupt)
    }

    package func encode(tokens count: Int, seeing pictures: [RGBImage]) throws -> Conditioning {
        try encode(tokens: count)
    }
}
