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
            let file = try JSONFile.decode(File.self, at: url)
            try self.init(
                vocabulary: file.model.vocabulary, merges: file.model.merges, tokens: file.addedTokens ?? [],
                normalizer: file.normalizer, template: file.template, padding: config.paddingToken,
                named: url.path)
        } else {
            let vocabURL = directory.appending(path: "vocab.json")
            let added = directory.appending(path: "added_tokens.json")
            var tokens = config.addedTokens
            if tokens.isEmpty, files.fileExists(atPath: added.path) {
                tokens = try JSONFile.decode([String: Int].self, at: added).map { AddedToken(id: $1, content: $0) }
            }
            try self.init(
                vocabulary: try JSONFile.decode([String: Int].self, at: vocabURL),
                merges: try Self.merges(at: directory.appending(path: "merges.txt")), tokens: tokens,
                normalizer: .nfc, template: .empty, padding: config.paddingToken, named: vocabURL.path)
        }
    }

    private init(
        vocabulary: [String: Int], merges: [(Substring, Substring)], tokens: [AddedToken], normalizer: Normalizer?,
        template: TokenTemplate, padding: String?, named name: String
    ) throws(TextError) {
        frame = TokenizerFrame(tokens: tokens, normalizer: normalizer, template: template)
        do {
            model = try BytePairModel(vocabulary: vocabulary, merges: merges)
        } catch {
            throw .invalid(file: name, field: error.field, reason: error.reason)
        }
        let padding = padding ?? "<|endoftext|>"
        guard let id = tokens.first(where: { $0.content == padding })?.id ?? vocabulary[padding] else {
            throw .invalid(file: name, field: "added_tokens", reason: "does not have the padding token \"\(padding)\"")
        }
        paddingID = id
    }

    package func encode(_ text: String, maximumLength: Int?) -> [Int] {
        frame.encode(text, maximumLength: maximumLength) { text, _, ids in
            for piece in BytePairSplit.split(text) { model.encode(Array(String(piece).utf8), into: &ids) }
        }
    }

    // MARK: Files

    /// `merges.txt`: a version line, then two symbols a line.
    private static func merges(at url: URL) throws(TextError) -> [(Substring, Substring)] {
        let text: String
        do {
            text = try String(contentsOf: url, encoding: .utf8)
        } catch {
            throw .unreadable(file: url.path, reason: error.localizedDescription)
        }
        var pairs: [(Substring, Substring)] = []
        // By scalars: a combining mark after a space would hide the space in a character.
        for (number, line) in text.unicodeScalars.split(separator: "\n").enumerated() {
            if number == 0, Substring(line).hasPrefix("#version") { continue }
            guard let pair = split(Substring(line)) else {
                throw .invalid(file: url.path, field: "line \(number + 1)", reason: "is not two symbols")
            }
            pairs.append(pair)
        }
        return pairs
    }

    fileprivate static func split(_ line: Substring) -> (Substring, Substring)? {
        let parts = line.unicodeScalars.split(separator: " ")
        return parts.count == 2 ? (Substring(parts[0]), Substring(parts[1])) : nil
    }
}

/// What is needed of `tokenizer.json`.
private struct File: Decodable {
    let addedTokens: [AddedToken]?
    let normalizer: Normalizer?
    let template: TokenTemplate
    let model: Model

    private enum Keys: String, CodingKey {
        case normalizer, model
        case addedTokens = "added_tokens"
        case preTokenizer = "pre_tokenizer"
        case postProcessor = "post_processor"
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        addedTokens = try values.decodeIfPresent([AddedToken].self, forKey: .addedTokens)
        normalizer = try values.decodeIfPresent(Normalizer.self, forKey: .normalizer)
        template = try values.decodeIfPresent(PostProcessor.self, forKey: .postProcessor)?.template ?? .empty
        model = try values.decode(Model.self, forKey: .model)
        let split = try values.decode(Split.self, forKey: .preTokenizer)
        guard split.pattern == BytePairSplit.pattern else {
            throw DecodingError.dataCorruptedError(
                forKey: .preTokenizer, in: values, debugDescription: "is not the one of Qwen2, which is supported")
        }
    }

    private struct PostProcessor: Decodable {
        let template: TokenTemplate

        private enum Keys: String, CodingKey { case type }

        init(from decoder: any Decoder) throws {
            let type = try decoder.container(keyedBy: Keys.self).decode(String.self, forKey: .type)
            // The one of byte-level tokenizers moves offsets only; ids stay as they are.
            template = type == "ByteLevel" ? .empty : try TokenTemplate(from: decoder)
        }
    }

    struct Model: Decodable {
        let vocabulary: [String: Int]
        let merges: [(Substring, Substring)]

        private enum Keys: String, CodingKey {
            case type, vocab, merges
            case ignoreMerges = "ignore_merges"
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Keys.self)
            let type = try values.decode(String.self, forKey: .type)
            guard type == "BPE" else {
                throw DecodingError.dataCorruptedError(
                    forKey: .type, in: values, debugDescription: "is \"\(type)\", not \"BPE\"")
            }
            guard try values.decodeIfPresent(Bool.self, forKey: .ignoreMerges) != true else {
                throw DecodingError.dataCorruptedError(
                    forKey: .ignoreMerges, in: values, debugDescription: "is not supported")
            }
            vocabulary = try values.decode([String: Int].self, forKey: .vocab)
            // Pairs, or in files from before tokenizers 0.20 both symbols in one string.
            let pairs: [(Substring, Substring)?]
            if let lines = try? values.decode([String].self, forKey: .merges) {
                pairs = lines.map { BytePairTokenizer.split($0[...]) }
            } else {
                pairs = try values.decode([[String]].self, forKey: .merges).map {
                    $0.count == 2 ? ($0[0][...], $0[1][...]) : nil
                }
            }
            merges = try pairs.enumerated().map { index, pair in
                guard let pair else {
                    throw DecodingError.dataCorruptedError(
                        forKey: .merges, in: values, debugDescription: "entry \(index) is not two symbols")
                }
                return pair
            }
        }
    }

    /// The `pre_tokenizer`: a split by pattern, then bytes.
    private struct Split: Decodable {
        let pattern: String?

        private struct Step: Decodable {
            struct Pattern: Decodable {
                let regex: String?
                enum CodingKeys: String, CodingKey { case regex = "Regex" }
            }
            let type: String
            let pattern: Pattern?
            let behavior: String?
            let invert: Bool?
            let addPrefixSpace: Bool?
            let useRegex: Bool?

            enum CodingKeys: String, CodingKey {
                case type, pattern, behavior, invert
                case addPrefixSpace = "add_prefix_space"
                case useRegex = "use_regex"
            }
        }
        private enum Keys: String, CodingKey { case pretokenizers }

        init(from decoder: any Decoder) throws {
            let steps = try decoder.container(keyedBy: Keys.self).decode([Step].self, forKey: .pretokenizers)
            let isKnown =
                steps.map(\.type) == ["Split", "ByteLevel"] && steps[0].behavior == "Isolated"
                && steps[0].invert != true && steps[1].addPrefixSpace == false && steps[1].useRegex == false
            pattern = isKnown ? steps[0].pattern?.regex : nil
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
