import Foundation

/// Gemma's tokenizer, read from `tokenizer.json` or from what a GGUF file carries: byte-pair encoding over characters, the text as
/// a whole.
///
/// Added tokens are cut out of the text as given, spaces become `▁`, and what lies between added tokens is merged without being
/// cut into words. A character that is not in the vocabulary is spelled in bytes, `<0xE2>`. The ids are those of the `tokenizers`
/// library on the same file.
package struct GemmaTokenizer: Tokenizer {
    package let paddingID: Int
    private let frame: TokenizerFrame
    private let vocabulary: PieceTable
    /// `<0x00>` ... `<0xFF>`
    private let byteIDs: [Int32]
    private let merging: PairMerging

    /// - Throws: `TextError`, naming the file and the field.
    package init(directory: URL) throws(TextError) {
        let configuration = directory.appending(path: "tokenizer_config.json")
        var padding = "<pad>"
        if FileManager.default.fileExists(atPath: configuration.path) {
            padding = try JSONFile.decode(TokenizerConfig.self, at: configuration).paddingToken ?? padding
        }
        let url = directory.appending(path: "tokenizer.json")
        let file = try TokenizerFile(at: url)
        let rest = try file.decodeRest(Rest.self)
        let vocabulary = try file.readLarge("vocab") { scanner, field throws(TextError) in
            try PieceTable(symbolsOf: &scanner, field: field)
        }
        let merges = try file.readLarge("merges") { scanner, field throws(TextError) in
            try BytePairMerges(&scanner, field: field)
        }
        try self.init(
            vocabulary: vocabulary, merges: merges, tokens: rest.addedTokens, normalizer: rest.normalizer,
            template: rest.template, padding: padding, named: url.path)
    }

    /// The tokenizer that a Gemma text encoder in a GGUF file carries. Such files have no merges: as in `tokenizer.json`, which
    /// transformers makes of the same pieces, any two pieces that make a third merge, the third of the lowest id first.
    /// - Parameters:
    ///   - startID: of the token before each text; nil for none.
    ///   - name: what errors call the vocabulary.
    /// - Throws: `TextError` where a byte or the padding token has no piece.
    package init(_ vocabulary: CarriedVocabulary, startID: Int?, named name: String) throws(TextError) {
        let table = vocabulary.table(of: [.normal, .unknown, .control, .userDefined, .byte])
        let padding = vocabulary.paddingID.flatMap { id in
            vocabulary.kinds.indices.contains(id) ? vocabulary.pieces.text(of: id) : nil
        }
        try self.init(
            vocabulary: table, merges: BytePairMerges(making: vocabulary.pieces, of: table),
            tokens: vocabulary.addedTokens,
            normalizer: .replace(.literal([" "]), with: String(CarriedVocabulary.space)),
            template: TokenTemplate(prefix: startID.map { [$0] } ?? [], suffix: []), padding: padding ?? "<pad>",
            named: name)
    }

    private init(
        vocabulary: PieceTable, merges: BytePairMerges, tokens: [AddedToken], normalizer: Normalizer?,
        template: TokenTemplate, padding: String, named name: String
    ) throws(TextError) {
        func id(_ symbol: String) throws(TextError) -> Int {
            guard let id = vocabulary.id(of: symbol.utf8) else {
                throw .invalid(file: name, field: "the vocabulary", reason: "has no \"\(symbol)\"")
            }
            return id
        }
        var byteIDs: [Int32] = []
        for byte in UInt8.min...UInt8.max {
            let digits = String(byte, radix: 16, uppercase: true)
            byteIDs.append(Int32(try id("<0x\(digits.count == 1 ? "0" : "")\(digits)>")))
        }
        self.byteIDs = byteIDs
        self.vocabulary = vocabulary
        do {
            merging = try PairMerging(vocabulary: vocabulary, merges: merges)
        } catch {
            throw .invalid(file: name, field: error.field, reason: error.reason)
        }
        frame = TokenizerFrame(tokens: tokens, normalizer: normalizer, template: template)
        if let token = tokens.first(where: { $0.content == padding }) {
            paddingID = token.id
        } else {
            paddingID = try id(padding)
        }
    }

    package func encode(_ text: String, maximumLength: Int?) -> [Int] {
        frame.encode(text, maximumLength: maximumLength) { text, _, ids in
            var symbols: [Int32] = []
            for scalar in text.unicodeScalars {
                let bytes = Array(String(scalar).utf8)
                if let id = vocabulary.id(of: bytes, bytes.indices) {
                    symbols.append(Int32(id))
                } else {
                    symbols += bytes.map { byteIDs[Int($0)] }
                }
            }
            merging.merge(symbols, into: &ids)
        }
    }

    /// The file but for the vocabulary and the merges.
    private struct Rest: Decodable {
        let addedTokens: [AddedToken]
        let normalizer: Normalizer?
        let template: TokenTemplate

        private enum Keys: String, CodingKey {
            case normalizer, model
            case addedTokens = "added_tokens"
            case postProcessor = "post_processor"
        }

        private enum ModelKeys: String, CodingKey {
            case type
            case byteFallback = "byte_fallback"
            case ignoreMerges = "ignore_merges"
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Keys.self)
            addedTokens = try values.decodeIfPresent([AddedToken].self, forKey: .addedTokens) ?? []
            normalizer = try values.decodeIfPresent(Normalizer.self, forKey: .normalizer)
            template = try values.decodeIfPresent(TokenTemplate.self, forKey: .postProcessor) ?? .empty
            let model = try values.nestedContainer(keyedBy: ModelKeys.self, forKey: .model)
            func require(_ isThere: Bool, _ key: ModelKeys, _ reason: String) throws {
                guard isThere else {
                    throw DecodingError.dataCorruptedError(forKey: key, in: model, debugDescription: reason)
                }
            }
            try require(try model.decode(String.self, forKey: .type) == "BPE", .type, "is not \"BPE\"")
            try require(
                try model.decodeIfPresent(Bool.self, forKey: .byteFallback) == true, .byteFallback,
                "is not true: the tokenizer is not Gemma's")
            try require(
                try model.decodeIfPresent(Bool.self, forKey: .ignoreMerges) != true, .ignoreMerges, "is not supported")
        }
    }
}
