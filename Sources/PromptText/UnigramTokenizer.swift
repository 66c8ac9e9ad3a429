import Foundation

/// The tokenizer of UMT5 and other SentencePiece Unigram models, read from `tokenizer.json`.
///
/// Added tokens are cut out first; the text between them is normalised, cut at spaces and segmented. The ids are
/// those of the `tokenizers` library on the same file. `truncation` and `padding` in the file do not count: the
/// caller says what length it needs.
package struct UnigramTokenizer: Tokenizer {
    package let paddingID: Int
    private let frame: TokenizerFrame
    private let preTokenizer: PreTokenizer?
    private let model: UnigramModel

    private struct File: Decodable {
        let addedTokens: [AddedToken]?
        let normalizer: Normalizer?
        let preTokenizer: PreTokenizer?
        let postProcessor: TokenTemplate?
        let model: UnigramModel.Parameters

        enum CodingKeys: String, CodingKey {
            case normalizer, model
            case addedTokens = "added_tokens"
            case preTokenizer = "pre_tokenizer"
            case postProcessor = "post_processor"
        }
    }

    /// Reads `tokenizer.json`, and the name of the padding token from `tokenizer_config.json` if there is one.
    ///
    /// - Throws: `TextError`, naming the file and the field.
    package init(directory: URL) throws(TextError) {
        let configURL = directory.appending(path: "tokenizer_config.json")
        let hasConfig = FileManager.default.fileExists(atPath: configURL.path)
        let paddingToken = hasConfig ? try JSONFile.decode(TokenizerConfig.self, at: configURL).paddingToken : nil
        let url = directory.appending(path: "tokenizer.json")
        try self.init(
            try TokenizerFile(at: url), paddingToken: paddingToken ?? "<pad>")
    }

    /// - Parameters:
    ///   - json: the content of a `tokenizer.json`
    ///   - name: what errors call it
    package init(json: Data, named name: String = "tokenizer.json", paddingToken: String = "<pad>") throws(TextError) {
        try self.init(
            try TokenizerFile([UInt8](json), named: name), paddingToken: paddingToken)
    }

    /// The tokenizer that a T5 or UMT5 text encoder carries, with the ids of the `tokenizer.json` that transformers makes of the
    /// same SentencePiece model.
    ///
    /// - Parameters:
    ///   - sentinels: how many tokens `<extra_id_0>`, ... follow the pieces, the first with the last id.
    ///   - name: what errors call the vocabulary.
    /// - Throws: `TextError`, naming what is missing.
    package init(_ vocabulary: CarriedVocabulary, sentinels: Int, named name: String) throws(TextError) {
        var tokens = vocabulary.addedTokens
        let pieces = vocabulary.kinds.lastIndex { $0 != .unused }.map { $0 + 1 } ?? 0
        tokens += (0..<max(sentinels, 0)).map {
            AddedToken(id: pieces + sentinels - 1 - $0, content: "<extra_id_\($0)>")
        }
        guard let end = vocabulary.endID, end < pieces else {
            throw .invalid(file: name, field: "the token at the end", reason: "is none of the \(pieces) pieces")
        }
        var steps: [Normalizer] = []
        if !vocabulary.charsmap.isEmpty {
            do throws(PrecompiledCharsmap.Damage) {
                steps.append(.precompiled(try PrecompiledCharsmap(vocabulary.charsmap)))
            } catch {
                throw .invalid(file: name, field: "precompiled_charsmap", reason: error.reason)
            }
        }
        if vocabulary.removesExtraSpaces {
            let space = String(CarriedVocabulary.space)
            steps += [.strip(left: false, right: true), .replace(.run(of: " ", atLeast: 2), with: space)]
        }
        frame = TokenizerFrame(
            tokens: tokens, normalizer: .sequence(steps), template: TokenTemplate(prefix: [], suffix: [end]))
        preTokenizer = .metaspace(Metaspace(addsSpaceInFront: vocabulary.addsSpaceInFront))
        model = try UnigramModel(vocabulary, named: name)
        paddingID = vocabulary.paddingID.flatMap { $0 < pieces ? $0 : nil } ?? end
    }

    private init(_ whole: TokenizerFile, paddingToken: String) throws(TextError) {
        let file = try whole.decodeRest(File.self)
        let tokens = file.addedTokens ?? []
        frame = TokenizerFrame(tokens: tokens, normalizer: file.normalizer, template: file.postProcessor ?? .empty)
        preTokenizer = file.preTokenizer
        model = try UnigramModel(file.model, vocabularyOf: whole)
        let added = tokens.first { $0.content.unicodeScalars.elementsEqual(paddingToken.unicodeScalars) }
        guard let id = added?.id ?? model.id(of: paddingToken) else {
            throw .invalid(
                file: whole.name, field: "added_tokens", reason: "does not have the padding token \"\(paddingToken)\"")
        }
        paddingID = id
    }

    package func encode(_ text: String, maximumLength: Int?) -> [Int] {
        frame.encode(text, maximumLength: maximumLength) { text, atStart, ids in
            for piece in preTokenizer?.split(text, atStart: atStart) ?? [text] { model.segment(piece, into: &ids) }
        }
    }
}

/// What is needed of `tokenizer_config.json`.
struct TokenizerConfig: Decodable {
    let paddingToken: String?

    private enum Keys: String, CodingKey {
        case paddingToken = "pad_token"
    }
    private struct Token: Decodable {
        let content: String
    }

    /// A token stands there as a string, or as an object with its `content`.
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        if let token = try? values.decodeIfPresent(Token.self, forKey: .paddingToken) {
            paddingToken = token.content
        } else {
            paddingToken = try values.decodeIfPresent(String.self, forKey: .paddingToken)
        }
    }
}
