import PromptText
import Tensor

/// The text side of Qwen-Image: a prompt is put into a chat that asks for a description, and the rows of what comes
/// before it are dropped.
///
/// Reference: `_get_qwen_prompt_embeds` in diffusers' pipeline_qwenimage.py. The prompt is not cleaned.
package struct QwenImagePromptEncoder: PromptEncoder {
    package let tokenizer: BytePairTokenizer
    package let encoder: Qwen25Encoder

    package var width: Int { encoder.config.dim }
    /// What the pipeline keeps of a longer text.
    package let length = 512

    private static let before =
        "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial "
        + "relationships of the objects and background:<|im_end|>\n<|im_start|>user\n"
    private static let after = "<|im_end|>\n<|im_start|>assistant\n"
    /// Tokens before the prompt in the published vocabulary; the pipeline drops as many whatever the vocabulary.
    private static let dropped = 34
    /// Longest text that the encoder is given, without those that are dropped.
    private static let longest = 1024

    package init(tokenizer: BytePairTokenizer, encoder: Qwen25Encoder) {
        self.tokenizer = tokenizer
        self.encoder = encoder
    }

    package func ids(of prompt: String, maximumLength: Int? = longest + dropped) -> [Int] {
        tokenizer.encode(Self.before + prompt + Self.after, maximumLength: maximumLength)
    }

    /// Tokens of the prompt and of the chat's end.
    package func tokenCount(of prompt: String) -> Int {
        max(ids(of: prompt, maximumLength: nil).count - Self.dropped, 0)
    }

    package func rows(of prompt: String, interrupt: () throws -> Void = {}) throws -> Tensor {
        // Rows are causal: what is beyond the last one kept need not be computed.
        let ids = ids(of: prompt).prefix(Self.dropped + length)
        guard ids.count > Self.dropped else {
            throw TextError.unusableTokens(
                reason: "the chat around the prompt has \(ids.count) tokens, at least \(Self.dropped) are dropped; "
                    + "the tokenizer is another model's")
        }
        let rows = try encoder.encode(Array(ids), interrupt: interrupt)
        return rows.slice(Self.dropped..<rows.shape[0])
    }

    package func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning {
        Conditioning(rows: try rows(of: prompt, interrupt: interrupt))
    }

    package func encode(tokens count: Int) throws -> Conditioning {
        let rows = try encoder.encode([Int](repeating: 0, count: Self.dropped + min(count, length)))
        return Conditioning(rows: rows.slice(Self.dropped..<rows.shape[0]))
    }
}
