import PromptText
import Tensor

/// The text side of FLUX.2-klein: a prompt is put into a chat whose answer begins with an empty thought, and filled up to 512
/// tokens; the rows are three hidden states side by side.
///
/// Reference: `_get_qwen3_prompt_embeds` in diffusers' pipeline_flux2_klein.py. The prompt is not cleaned. The network attends
/// to all rows, those of the padding among them.
package struct Flux2PromptEncoder: PromptEncoder {
    package let tokenizer: BytePairTokenizer
    package let encoder: Qwen3Encoder

    package var width: Int { encoder.states.count * encoder.config.dim }
    /// The most tokens of a chat; a longer chat loses its end.
    package let length = 512

    private static let before = "<|im_start|>user\n"
    private static let after = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"

    /// The hidden states that are used: those after so many layers.
    package static let states = [9, 18, 27]

    /// - Parameter encoder: one that gives `states`.
    package init(tokenizer: BytePairTokenizer, encoder: Qwen3Encoder) {
        self.tokenizer = tokenizer
        self.encoder = encoder
    }

    /// The token ids of the chat without padding.
    package func ids(of prompt: String) -> [Int] {
        tokenizer.encode(Self.before + prompt + Self.after, maximumLength: length)
    }

    /// Tokens of the prompt and of the chat around it.
    package func tokenCount(of prompt: String) -> Int {
        tokenizer.encode(Self.before + prompt + Self.after, maximumLength: nil).count
    }

    /// `[512, width]`
    package func rows(of prompt: String, interrupt: () throws -> Void = {}) throws -> Tensor {
        try rows(of: ids(of: prompt), interrupt: interrupt)
    }

    private func rows(of ids: [Int], interrupt: () throws -> Void) throws -> Tensor {
        let padding = Qwen3Encoder.Padding(token: tokenizer.paddingID, length: length)
        let states = try encoder.encode(ids, padding: padding, interrupt: interrupt)
        return encoder.compute.sideBySide(states)
    }

    package func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning {
        Conditioning(rows: try rows(of: prompt, interrupt: interrupt))
    }

    package func encode(tokens count: Int) throws -> Conditioning {
        Conditioning(rows: try rows(of: [Int](repeating: 0, count: min(count, length)), interrupt: {}))
    }
}
