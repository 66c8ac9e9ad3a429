import Foundation

/// Qwen2's byte-level BPE tokenizer, read from `tokenizer.json`, or from `vocab.json` and `merges.txt` with the added
/// tokens of `tokenizer_config.json` or `added_tokens.json`.
///
/// Added tokens are cut out first; the text between them is brought to NFC, split and merged. The ids are those of the
/// `tokenizers` library on the same files.
package struct BytePairTokenizer: Tokenizer {
    package let paddingID: Int
    private let frame: TokenizerFrame
    private let model: BytePairModel

    /// - Throws: `TextError`, naming the file and the field.
    package init(directory: URL) throws(TextError) {
        let configURL = directory.appending(path: "tokenizer_config.json")
        let files = FileManager.default
        let config =
            files.fileExists(atPath: configURL.path)
            ? try JSONFile.decode(BytePairTokenizerConfig.self, at: configURL) : BytePairTokenizerConfig()
        let url = directory.appending(path: "tokenizer.json")
        if files.fileExists(atPath: url.path) {
            let file = try TokenizerFile(at: url)
            let rest = try file.decodeRest(BytePairFile.self)
            try self.init(
                vocabulary: try file.readLarge("vocab") { scanner, field throws(TextError) in
                    try PieceTable(symbolsOf: &scanner, field: field)
                },
                merges: try file.readLarge("merges") { scanner, field throws(TextError) in
                    try BytePairMerges(&scanner, field: field)
                },
                tokens: rest.addedTokens ?? [], normalizer: rest.normalizer, template: rest.template,
                padding: config.paddingToken, named: url.path)
        } else {
            let vocabURL = directory.appending(path: "vocab.json")
            let added = directory.appending(path: "added_tokens.json")
            var tokens = config.addedTokens
            if tokens.isEmpty, files.fileExists(atPath: added.path) {
                tokens = try JSONFile.decode([String: Int].self, at: added).map { AddedToken(id: $1, content: $0) }
            }
            try self.init(
                vocabulary: try PieceTable(symbolsAt: vocabURL),
                merges: try BytePairMerges(at: directory.appending(path: "merges.txt")), tokens: tokens,
                normalizer: .nfc, template: .empty, padding: config.paddingToken, named: vocabURL.path)
        }
    }

    /// The tokenizer that a Qwen2 text encoder in a GGUF file carries.
    /// - Parameter name: what errors call the vocabulary.
    package init(_ vocabulary: CarriedVocabulary, named name: String) throws(TextError) {
        let padding = vocabulary.paddingID.flatMap { id in
            vocabulary.kinds.indices.contains(id) ? vocabulary.pieces.text(of: id) : nil
        }
        try self.init(
            vocabulary: vocabulary.table(of: [.normal, .byte]),
            merges: try BytePairMerges(lines: vocabulary.merges, named: name), tokens: vocabulary.addedTokens,
            normalizer: .nfc, template: .empty, padding: padding, named: name)
    }

    private init(
        vocabulary: PieceTable, merges: BytePairMerges, tokens: [AddedToken], normalizer: Normalizer?,
        template: TokenTemplate, padding: String?, named name: String
    ) throws(TextError) {
        frame = TokenizerFrame(tokens: tokens, normalizer: normalizer, template: template)
        do {
            model = try BytePairModel(vocabulary: vocabulary, merges: merges)
        } catch {
            throw .invalid(file: name, field: error.field, reason: error.reason)
        }
        let padding = padding ?? "<|endoftext|>"
        guard let id = tokens.first(where: { $0.content == padding })?.id ?? vocabulary.id(of: padding.utf8) else {
            throw .invalid(file: name, field: "added_tokens", reason: "does not have the padding token \"\(padding)\"")
        }
        paddingID = id
    }

    package func encode(_ text: String, maximumLength: Int?) -> [Int] {
        frame.encode(text, maximumLength: maximumLength) { text, _, ids in
            for piece in BytePairSplit.split(text) { model.encode(Array(String(piece).utf8), into: &ids) }
        }
    }
}

/// What is needed of `tokenizer_config.json`: the padding token, and the added tokens where no `tokenizer.json` has them.
private struct BytePairTokenizerConfig: Decodable {
    let paddingToken: String?
    let addedTokens: [AddedToken]

    private enum Keys: String, CodingKey { case decoder = "added_tokens_decoder" }

    init() {
        paddingToken = nil
        addedTokens = []
    }

    init(from decoder: any Decoder) throws {
        paddingToken = try TokenizerConfig(from: decoder).paddingToken
        let values = try decoder.container(keyedBy: Keys.self)
        let tokens = try values.decodeIfPresent([String: AddedToken.Unnumbered].self, forKey: .decoder) ?? [:]
        addedTokens = try tokens.map { key, token in
            guard let id = Int(key), (0...Int(Int32.max)).contains(id) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .decoder, in: values, debugDescription: "\"\(key)\" is not an id")
            }
            return AddedToken(id: id, token)
        }
    }
}
