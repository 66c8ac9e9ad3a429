/// What is needed of a byte-level `tokenizer.json` besides the vocabulary and the merges.
struct BytePairFile: Decodable {
    let addedTokens: [AddedToken]?
    let normalizer: Normalizer?
    let template: TokenTemplate

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
        _ = try values.decode(Model.self, forKey: .model)
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

    /// The part of the file that says that it holds a model of this kind.
    private struct Model: Decodable {
        private enum Keys: String, CodingKey {
            case type
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
