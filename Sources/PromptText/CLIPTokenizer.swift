import Foundation

/// CLIP's tokenizer, read from `vocab.json` and `merges.txt`, or from the `tokenizer.json` that transformers 5 saves alone, and
/// from `tokenizer_config.json`: lower case, words whose last character carries `</w>`, and ids between a start and an end.
///
/// Special tokens (start, end and padding) are cut out of the text first and become their ids: where padding is `!`, as in
/// SDXL's second tokenizer, every `!` of a prompt is padding. The ids are those of transformers 5, without ftfy's repairs.
/// There is no syntax for weights: `(word:1.2)` is text.
package struct CLIPTokenizer: Tokenizer {
    package let paddingID: Int
    /// The id that ends every text, also where it is cut.
    package let endID: Int
    private let frame: TokenizerFrame
    private let model: BytePairModel

    private static let start = "<|startoftext|>"
    private static let end = "<|endoftext|>"
    /// What the last symbol of a word carries.
    private static let wordEnd = "</w>"

    /// - Parameter padding: the padding token in place of the one that the folder's configuration names.
    /// - Throws: `TextError`, naming the file and the field.
    package init(directory: URL, padding: String? = nil) throws(TextError) {
        let configuration = directory.appending(path: "tokenizer_config.json")
        var padding = padding
        if padding == nil, FileManager.default.fileExists(atPath: configuration.path) {
            padding = try JSONFile.decode(TokenizerConfig.self, at: configuration).paddingToken
        }
        let (url, vocabulary, merges) = try Self.symbols(in: directory)
        func id(_ token: String) throws(TextError) -> Int {
            guard let id = vocabulary.id(of: token.utf8) else {
                throw .invalid(file: url.path, field: token, reason: "is not in the vocabulary")
            }
            return id
        }
        let (startID, endID) = (try id(Self.start), try id(Self.end))
        self.endID = endID
        paddingID = try id(padding ?? Self.end)
        var tokens = [AddedToken(id: startID, content: Self.start), AddedToken(id: endID, content: Self.end)]
        if let padding, padding != Self.end { tokens.append(AddedToken(id: paddingID, content: padding)) }
        frame = TokenizerFrame(
            tokens: tokens, normalizer: .sequence([.nfc, .lowercase]),
            template: TokenTemplate(prefix: [startID], suffix: [endID]))
        do {
            model = try BytePairModel(vocabulary: vocabulary, merges: merges, wordEnd: Self.wordEnd)
        } catch {
            throw .invalid(file: url.path, field: error.field, reason: error.reason)
        }
    }

    /// The vocabulary and the merges of a folder, and the file of the first.
    private static func symbols(
        in directory: URL
    ) throws(TextError) -> (vocabularyFile: URL, vocabulary: PieceTable, merges: BytePairMerges) {
        let (parts, whole) = (directory.appending(path: "vocab.json"), directory.appending(path: "tokenizer.json"))
        let files = FileManager.default
        guard !files.fileExists(atPath: parts.path), files.fileExists(atPath: whole.path) else {
            return (
                parts, try PieceTable(symbolsAt: parts),
                try BytePairMerges(at: directory.appending(path: "merges.txt"))
            )
        }
        let file = try TokenizerFile(at: whole)
        let model = try file.decodeRest(Whole.self).model
        guard model.type == "BPE", model.wordEnd == wordEnd else {
            throw .invalid(
                file: whole.path, field: "model",
                reason: "is not one of pairs with words that end in \(wordEnd): not CLIP's")
        }
        return (
            whole,
            try file.readLarge("vocab") { scanner, field throws(TextError) in
                try PieceTable(symbolsOf: &scanner, field: field)
            },
            try file.readLarge("merges") { scanner, field throws(TextError) in
                try BytePairMerges(&scanner, field: field)
            }
        )
    }

    /// A `tokenizer.json` but for the vocabulary and the merges, as far as it says what kind it is.
    private struct Whole: Decodable {
        struct Model: Decodable {
            let type, wordEnd: String?

            enum CodingKeys: String, CodingKey {
                case type
                case wordEnd = "end_of_word_suffix"
            }
        }
        let model: Model
    }

    package func encode(_ text: String, maximumLength: Int?) -> [Int] {
        frame.encode(text, maximumLength: maximumLength) { text, _, ids in
            for word in Self.words(text) { model.encode(Array(String(word).utf8), into: &ids) }
        }
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d|letters+|one digit|others+`, without white space. The text is in lower case.
    private static func words(_ text: String) -> [Substring.UnicodeScalarView] {
        var words: [Substring.UnicodeScalarView] = []
        var rest = text.unicodeScalars[...]
        while let first = rest.first {
            let kind = BytePairSplit.Kind(first)
            let word: Substring.UnicodeScalarView
            if kind == .other, let contraction = contractions.first(where: { rest.starts(with: $0.unicodeScalars) }) {
                word = rest.prefix(contraction.unicodeScalars.count)
            } else if kind == .letter || kind == .other {
                word = rest.prefix { BytePairSplit.Kind($0) == kind }
            } else {
                word = rest.prefix(1)
            }
            if kind != .space { words.append(word) }
            rest = rest[word.endIndex...]
        }
        return words
    }

    private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"]
}
