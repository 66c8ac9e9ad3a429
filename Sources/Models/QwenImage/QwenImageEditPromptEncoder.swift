import Pictures
import PromptText
import Tensor

/// The text side of Qwen-Image-Edit: the pictures and a prompt are put into a chat that asks what is to change, and the rows of
/// what comes before them are dropped.
///
/// Reference: `_get_qwen_prompt_embeds` in diffusers' pipeline_qwenimage_edit_plus.py, with the three axes of positions that the
/// model was trained with (diffusers issue 14194). The prompt is not cleaned, and not cut.
package struct QwenImageEditPromptEncoder: PromptEncoder {
    private let tokenizer: BytePairTokenizer
    package let encoder: Qwen25Encoder
    package let tower: QwenVisionTower
    package let processor: QwenPictureProcessor
    /// Pixels that a picture is scaled to before the text encoder looks at it.
    package var area = 384 * 384
    /// The token that stands for a row of a picture.
    package let mark: Int

    package var width: Int { encoder.config.dim }
    /// The most tokens of a prompt and of the chat's end; the model has no limit of its own.
    package let length = 1024
    package let seesPictures = true

    private static let before =
        "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, "
        + "background), then explain how the user's text instruction should alter or modify the image. Generate a new "
        + "image that meets the user's requirements while maintaining consistency with the original input where "
        + "appropriate.<|im_end|>\n<|im_start|>user\n"
    private static let after = "<|im_end|>\n<|im_start|>assistant\n"
    private static let markText = "<|image_pad|>"
    /// Tokens before the pictures in the published vocabulary; the pipeline drops as many whatever the vocabulary.
    private static let dropped = 64

    /// - Throws: `TextError.unusableTokens` for a tokenizer that does not know the mark of a picture; `TextError.invalid` for a
    ///   tower that gives rows of another width than the text model's, or axes that do not share out its heads.
    package init(
        tokenizer: BytePairTokenizer, encoder: Qwen25Encoder, tower: QwenVisionTower, processor: QwenPictureProcessor
    ) throws {
        let ids = tokenizer.encode(Self.markText)
        guard ids.count == 1 else {
            throw TextError.unusableTokens(
                reason: "the tokenizer has no token \(Self.markText); Qwen-Image-Edit needs that of Qwen2.5-VL")
        }
        guard tower.config.outDim == encoder.config.dim else {
            throw TextError.invalid(
                file: "vision_config", field: "out_hidden_size",
                reason: "is \(tower.config.outDim), and the text model reads rows of \(encoder.config.dim)")
        }
        guard encoder.config.hasSections else {
            throw TextError.invalid(
                file: "text_config", field: "mrope_section",
                reason:
                    "\(encoder.config.sections) are not three shares of the \(encoder.config.headDim / 2) pairs of a head"
            )
        }
        mark = ids[0]
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.tower = tower
        self.processor = processor
    }

    // MARK: Tokens

    /// The chat around so many pictures and a prompt.
    /// - Parameter rows: of each picture, as many as its mark is repeated.
    package func ids(of prompt: String, rows: [Int]) -> [Int] { marked(prompt + Self.after, rows) }

    private func marked(_ text: String, _ rows: [Int]) -> [Int] {
        let pictures = rows.indices.map { "Picture \($0 + 1): <|vision_start|>\(Self.markText)<|vision_end|>" }
        var counts = rows[...]
        return tokenizer.encode(Self.before + pictures.joined() + text).flatMap { id in
            [Int](repeating: id, count: id == mark ? counts.popFirst() ?? 1 : 1)
        }
    }

    package func tokenCount(of prompt: String) -> Int { tokenizer.encode(prompt + Self.after).count }

    package func refusal(of prompt: String) -> String? {
        tokenizer.encode(prompt).contains(mark) ? "it contains \(Self.markText), which stands for a picture" : nil
    }

    // MARK: Rows

    /// What the text model reads in place of the marks of pictures.
    package func rows(of pictures: [RGBImage], interrupt: () throws -> Void = {}) throws -> QwenPictureRows {
        let seen = try pictures.map {
            try processor.patches(of: QwenImageEditPictureEncoder.scaled($0, toArea: area))
        }
        let grids = seen.map(\.grid)
        let rows = try tower.rows(of: Tensor.concatenate(seen.map(\.values)), grids: grids, interrupt: interrupt)
        return QwenPictureRows(token: mark, rows: rows, grids: grids)
    }

    /// Rows `[n, width]` of the pictures and of the prompt.
    /// - Throws: `ModelError.needsPicture` without pictures.
    package func rows(
        of prompt: String, seeing pictures: [RGBImage], interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        try rows(seeing: pictures, interrupt: interrupt) { ids(of: prompt, rows: $0) }
    }

    private func rows(
        seeing pictures: [RGBImage], interrupt: () throws -> Void, ids: (_ rows: [Int]) -> [Int]
    ) throws -> Tensor {
        guard !pictures.isEmpty else { throw ModelError.needsPicture }
        let seen = try rows(of: pictures, interrupt: interrupt)
        let ids = ids(seen.grids.map(\.groups))
        guard ids.count > Self.dropped else {
            throw TextError.unusableTokens(
                reason: "the chat around the prompt has \(ids.count) tokens, at least \(Self.dropped) are dropped; "
                    + "the tokenizer is another model's")
        }
        let rows = try encoder.encode(ids, pictures: seen, interrupt: interrupt)
        return rows.slice(Self.dropped..<rows.shape[0])
    }

    package func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning {
        try encode(prompt, seeing: [], interrupt: interrupt)
    }

    package func encode(
        _ prompt: String, seeing pictures: [RGBImage], interrupt: () throws -> Void
    ) throws -> Conditioning {
        Conditioning(rows: try rows(of: prompt, seeing: pictures, interrupt: interrupt))
    }

    package func encode(tokens count: Int, seeing pictures: [RGBImage]) throws -> Conditioning {
        Conditioning(
            rows: try rows(seeing: pictures, interrupt: {}) { rows in
                marked("", rows) + [Int](repeating: 0, count: min(count, length))
            })
    }

    package func encode(tokens count: Int) throws -> Conditioning { try encode(tokens: count, seeing: []) }
}
