import PromptText
import Tensor

/// The text side of Z-Image: a prompt is put into a chat as the user's turn, and the rows are the hidden states before the
/// encoder's last layer.
///
/// Reference: `_encode_prompt` in diffusers' pipeline_z_image.py. The prompt is not cleaned.
package struct ZImagePromptEncoder: PromptEncoder {
    package let tokenizer: BytePairTokenizer
    package let encoder: Qwen3Encoder

    package var width: Int { encoder.config.dim }
    /// The most tokens of a chat; a longer chat loses its end.
    package let length = 512

    private static let before = "<|im_start|>user\n"
    private static let after = "<|im_end|>\n<|im_start|>assistant\n"

    /// The hidden state that is used.
    package static func states(of config: QwenConfig) -> [Int] { [config.layers - 1] }

    /// - Parameter encoder: one that gives `states(of:)`.
    package init(tokenizer: BytePairTokenizer, encoder: Qwen3Encoder) {
        self.tokenizer = tokenizer
        self.encoder = encoder
    }

    package func ids(of prompt: String) -> [Int] {
        tokenizer.encode(Self.before + prompt + Self.after, maximumLength: length)
    }

    /// Tokens of the prompt and of the chat around it.
    package func tokenCount(of prompt: String) -> Int {
        tokenizer.encode(Self.before + prompt + Self.after, maximumLength: nil).count
    }

    package func rows(of prompt: String, interrupt: () throws -> Void = {}) throws -> Tensor {
        try encoder.encode(ids(of: prompt), interrupt: interrupt)[0]
    }

    package func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning {
        Conditioning(rows: try rows(of: prompt, interrupt: interrupt))
    }

    package func encode(tokens count: Int) throws -> Conditioning {
        Conditioning(rows: try encoder.encode([Int](repeating: 0, count: min(count, length)))[0])
    }
}
