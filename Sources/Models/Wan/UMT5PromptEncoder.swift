import Foundation
import PromptText
import Tensor
import Weights

/// The text side of the Wan pipelines: a prompt is cleaned, tokenized and encoded.
package struct UMT5PromptEncoder: PromptEncoder {
    /// Rows of the text embedding that Wan was trained with.
    package static let wanLength = 512

    package let tokenizer: UnigramTokenizer
    package let encoder: UMT5Encoder
    /// Rows of the text embedding the network was trained with; the prompt is cut there.
    package let length: Int

    package var width: Int { encoder.config.dim }

    package init(tokenizer: UnigramTokenizer, encoder: UMT5Encoder, length: Int = wanLength) {
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.length = length
    }

    /// Opens the folders `tokenizer` and `text_encoder` of a pipeline in diffusers layout.
    ///
    /// - Throws: `TextError` or `WeightError`, naming the file and what is wrong in it.
    package init(pipeline folder: String, compute: Compute, length: Int = wanLength) throws {
        let checkpoint = try Checkpoint(folder: "\(folder)/text_encoder")
        self.init(
            tokenizer: try UnigramTokenizer(directory: URL(fileURLWithPath: "\(folder)/tokenizer")),
            encoder: try UMT5Encoder(
                WeightReader(checkpoint), config: try UMT5Config.read("\(folder)/text_encoder/config.json"),
                compute: compute),
            length: length)
    }

    package func cleaned(_ prompt: String) -> String { PromptCleaning.clean(prompt) }

    /// The rows `[n, dim]` of the prompt's tokens, n <= `length`. The network sees zero rows after them up to `length`.
    ///
    /// - Parameter interrupt: called before each layer; throwing from it ends the encoding.
    package func rows(of prompt: String, interrupt: () throws -> Void = {}) throws -> Tensor {
        let ids = tokenizer.encode(cleaned(prompt), maximumLength: length)
        return try encoder.encode(ids, interrupt: interrupt)
    }

    package func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning {
        Conditioning(rows: try rows(of: prompt, interrupt: interrupt))
    }

    package func encode(tokens count: Int) throws -> Conditioning {
        Conditioning(rows: try encoder.encode([Int](repeating: 0, count: min(count, length))))
    }

    /// Tokens of the prompt, the end mark included, before it is cut to `length`.
    package func tokenCount(of prompt: String) -> Int {
        tokenizer.encode(cleaned(prompt)).count
    }

    /// The embedding as the reference pipeline holds it: `[length, dim]`, zero in the padded rows.
    package func paddedEmbedding(of prompt: String) throws -> Tensor {
        let rows = try rows(of: prompt)
        return Tensor.concatenate([rows, Tensor(zeros: [length - rows.shape[0], encoder.config.dim])])
    }
}
