import PromptText
import Tensor

/// The text side of SDXL: two CLIP text models read the prompt; the states before their last layers lie side by side, and the
/// second's vector of the whole text goes along.
///
/// Reference: `encode_prompt` in diffusers' pipeline_stable_diffusion_xl.py.
package struct SDXLPromptEncoder: PromptEncoder {
    package let tokenizer, tokenizer2: CLIPTokenizer
    package let encoder, encoder2: CLIPTextEncoder

    package var width: Int { encoder.config.dim + encoder2.config.dim }
    package var length: Int { encoder.config.length }

    /// The name of the vector of a text in a conditioning.
    package static let pooledName = "pooled"
    /// Stands for a negative prompt that was not given: zeros take its place.
    package static let absent = "\u{0}"

    package init(
        tokenizer: CLIPTokenizer, tokenizer2: CLIPTokenizer, encoder: CLIPTextEncoder, encoder2: CLIPTextEncoder
    ) {
        self.tokenizer = tokenizer
        self.tokenizer2 = tokenizer2
        self.encoder = encoder
        self.encoder2 = encoder2
    }

    package func tokenCount(of prompt: String) -> Int { tokenizer.encode(prompt, maximumLength: nil).count }

    package func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning {
        guard prompt != Self.absent else {
            return Self.conditioning(
                rows: Tensor(zeros: [length, width]), pooled: Tensor(zeros: [encoder2.config.projection]))
        }
        return try encode(prompt, second: prompt, interrupt: interrupt)
    }

    /// - Parameters:
    ///   - second: what the second encoder reads.
    ///   - skipped: layers before the last that are left out (`clip_skip`); the vector of the text stays.
    package func encode(
        _ prompt: String, second: String, skipped: Int = 0, interrupt: () throws -> Void = {}
    ) throws -> Conditioning {
        try conditioning(
            of: tokenizer.encode(prompt, paddedTo: length).ids,
            tokenizer2.encode(second, paddedTo: encoder2.config.length).ids, skipped: skipped, interrupt: interrupt)
    }

    package func encode(tokens count: Int) throws -> Conditioning {
        try conditioning(
            of: [Int](repeating: 0, count: length), [Int](repeating: 0, count: encoder2.config.length), skipped: 0)
    }

    private func conditioning(
        of ids: [Int], _ ids2: [Int], skipped: Int, interrupt: () throws -> Void = {}
    ) throws -> Conditioning {
        let used = (first: encoder.config.layers - 1 - skipped, second: encoder2.config.layers - 1 - skipped)
        guard used.first >= 0, used.second >= 0, encoder.config.length == encoder2.config.length else {
            throw TextError.unusableTokens(reason: "the two text encoders have no such layers, or differ in length")
        }
        let states = try encoder.states(of: ids, layers: used.first, interrupt: interrupt)
        let states2 = try encoder2.states(of: ids2, interrupt: interrupt)
        return Self.conditioning(
            rows: Tensor.beside(states[used.first], states2[used.second]),
            pooled: encoder2.pooled(states2[states2.count - 1], ids: ids2))
    }

    private static func conditioning(rows: Tensor, pooled: Tensor) -> Conditioning {
        Conditioning([Conditioning.rowsName: rows, pooledName: pooled])
    }
}
