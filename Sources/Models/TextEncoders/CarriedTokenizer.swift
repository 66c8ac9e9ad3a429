import Foundation
import PromptText
import Weights

/// The tokenizers that files of text encoders carry: ComfyUI's safetensors a SentencePiece model among their tensors, GGUF files
/// the vocabulary in their metadata.
package enum CarriedTokenizer {
    /// Tokens `<extra_id_0>`, ... that T5 models have at most.
    private static let mostSentinels = 300
    /// The names of Qwen2's way to cut text into words in `tokenizer.ggml.pre`.
    private static let qwenCuts = ["qwen2", "deepseek-r1-qwen"]

    /// UMT5's or T5's tokenizer: that of a folder, its `tokenizer.json` or its SentencePiece model alone, else the one that the
    /// encoder carries.
    /// - Parameters:
    ///   - folder: throws `ModelError.noTokenizer` where there is none.
    ///   - rows: of the encoder's table of embeddings.
    package static func unigram(
        folder: () throws -> URL, encoder: Checkpoint, rows: Int
    ) throws -> UnigramTokenizer {
        func open(_ folder: URL) throws -> UnigramTokenizer {
            let (file, model) = (folder.appending(path: "tokenizer.json"), folder.appending(path: "spiece.model"))
            let files = FileManager.default
            guard !files.fileExists(atPath: file.path), files.fileExists(atPath: model.path) else {
                return try UnigramTokenizer(directory: folder)
            }
            return try unigram(of: JSONFile.bytes(at: model), rows: rows, named: model.path)
        }
        return try either(open, folder) { try unigram(in: encoder, rows: rows) }
    }

    /// Qwen2's tokenizer: that of a folder, else the one that the encoder carries.
    package static func bytePair(folder: () throws -> URL, encoder: Checkpoint) throws -> BytePairTokenizer {
        try either(BytePairTokenizer.init(directory:), folder) { try bytePair(in: encoder) }
    }

    /// Gemma's tokenizer: that of a folder, else the one that the encoder carries.
    package static func gemma(folder: () throws -> URL, encoder: Checkpoint) throws -> GemmaTokenizer {
        try either(GemmaTokenizer.init(directory:), folder) { try gemma(in: encoder) }
    }

    private static func either<Kind>(
        _ open: (URL) throws -> Kind, _ folder: () throws -> URL, carried: () throws -> Kind?
    ) throws -> Kind {
        let place: URL
        do {
            place = try folder()
        } catch ModelError.noTokenizer(let source, _) {
            var fault: String?
            do {
                if let found = try carried() { return found }
            } catch {
                fault = "\(error)"
            }
            throw ModelError.noTokenizer(source: source, fault: fault)
        }
        return try open(place)
    }

    /// UMT5's or T5's; nil where the file carries none.
    /// - Parameter rows: of the encoder's table of embeddings, from which the number of sentinels follows.
    /// - Throws: `TextError` or `WeightError` for one that is damaged.
    package static func unigram(in checkpoint: Checkpoint, rows: Int) throws -> UnigramTokenizer? {
        if let (key, weight) = checkpoint.tokenizerModels.min(by: { $0.key < $1.key }) {
            return try unigram(of: [UInt8](weight.bytes), rows: rows, named: "\(checkpoint.path) (\(key))")
        }
        guard checkpoint.metadata["tokenizer.ggml.model"] == "t5" else { return nil }
        let vocabulary = try vocabulary(checkpoint)
        return try UnigramTokenizer(
            vocabulary, sentinels: min(mostSentinels, rows - (vocabulary.kinds.count { $0 != .unused })),
            named: name(checkpoint))
    }

    /// The tokenizer of a SentencePiece model, whose file does not count the sentinels.
    private static func unigram(of model: [UInt8], rows: Int, named name: String) throws -> UnigramTokenizer {
        let vocabulary = try SentencePieceModel.vocabulary(model, named: name)
        return try UnigramTokenizer(
            vocabulary, sentinels: min(mostSentinels, rows - vocabulary.kinds.count), named: name)
    }

    /// Qwen2's; nil where the file carries none.
    /// - Throws: `TextError` or `WeightError` for one that is damaged, or that cuts text into words in another way.
    package static func bytePair(in checkpoint: Checkpoint) throws -> BytePairTokenizer? {
        guard checkpoint.metadata["tokenizer.ggml.model"] == "gpt2" else { return nil }
        let cut = checkpoint.metadata["tokenizer.ggml.pre"] ?? ""
        guard qwenCuts.contains(cut) else {
            throw TextError.invalid(
                file: checkpoint.path, field: "tokenizer.ggml.pre", reason: "is \"\(cut)\", not Qwen2's, which is read")
        }
        return try BytePairTokenizer(vocabulary(checkpoint), named: name(checkpoint))
    }

    /// Gemma's; nil where the file carries none.
    /// - Throws: `TextError` or `WeightError` for one that is damaged.
    package static func gemma(in checkpoint: Checkpoint) throws -> GemmaTokenizer? {
        guard checkpoint.metadata["tokenizer.ggml.model"] == "llama" else { return nil }
        return try GemmaTokenizer(
            vocabulary(checkpoint), startID: number("bos_token_id", checkpoint), named: name(checkpoint))
    }

    /// Whether a file of a text encoder brings a tokenizer of a kind that is read, whole or damaged.
    package static func isCarried(by checkpoint: Checkpoint) -> Bool {
        !checkpoint.tokenizerModels.isEmpty
            || ["t5", "gpt2", "llama"].contains(checkpoint.metadata["tokenizer.ggml.model"] ?? "")
    }

    private static func name(_ checkpoint: Checkpoint) -> String { "\(checkpoint.path) (tokenizer.ggml)" }

    /// A token with SentencePiece's sign in place of its spaces.
    private static func spaceSigned(_ token: some Collection<UInt8>) -> [UInt8] {
        [UInt8](String(decoding: token, as: UTF8.self).replacing(" ", with: String(CarriedVocabulary.space)).utf8)
    }

    private static func number(_ field: String, _ checkpoint: Checkpoint) -> Int? {
        checkpoint.metadata["tokenizer.ggml.\(field)"].flatMap { Int($0) }
    }

    private static func vocabulary(_ checkpoint: Checkpoint) throws -> CarriedVocabulary {
        func fault(_ field: String, _ reason: String) -> TextError {
            .invalid(file: checkpoint.path, field: "tokenizer.ggml.\(field)", reason: reason)
        }
        guard let tokens = checkpoint.arrays["tokenizer.ggml.tokens"] else { throw fault("tokens", "is missing") }
        let scores = try checkpoint.arrays["tokenizer.ggml.scores"]?.floats()
        let types = try checkpoint.arrays["tokenizer.ggml.token_type"]?.integers()
        for (field, count) in [("scores", scores?.count), ("token_type", types?.count)] {
            guard count == nil || count == tokens.count else {
                throw fault(field, "has \(count ?? 0) elements for \(tokens.count) tokens")
            }
        }
        // llama.cpp's converter writes spaces into Gemma's added tokens, where SentencePiece has its sign.
        let isGemma = checkpoint.metadata["tokenizer.ggml.model"] == "llama"
        var vocabulary = CarriedVocabulary()
        var isStrange = false
        try tokens.forEachString { token in
            let id = vocabulary.kinds.count
            let kind = CarriedVocabulary.Kind(rawValue: types?[id] ?? 1)
            let score = scores?[id] ?? 0
            if kind == nil || !score.isFinite || String(validating: token, as: UTF8.self) == nil { isStrange = true }
            let piece = isGemma && kind == .userDefined ? Self.spaceSigned(token) : [UInt8](token)
            vocabulary.append(piece, score: score.isFinite ? score : 0, kind: kind ?? .unused)
        }
        guard !isStrange else {
            throw fault("tokens", "has a token that is not UTF-8, or a score or type that is none")
        }
        func flag(_ field: String) -> Bool { checkpoint.metadata["tokenizer.ggml.\(field)"] != "false" }
        vocabulary.unknownID = number("unknown_token_id", checkpoint)
        vocabulary.endID = number("eos_token_id", checkpoint)
        vocabulary.paddingID = number("padding_token_id", checkpoint)
        vocabulary.charsmap = try checkpoint.arrays["tokenizer.ggml.precompiled_charsmap"]?.bytes() ?? []
        vocabulary.addsSpaceInFront = flag("add_space_prefix")
        vocabulary.removesExtraSpaces = flag("remove_extra_whitespaces")
        if let merges = checkpoint.arrays["tokenizer.ggml.merges"] {
            try merges.forEachString { vocabulary.merges.append($0) }
        }
        return vocabulary
    }
}
