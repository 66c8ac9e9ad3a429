/// The `post_processor` of tokenizer.json: special tokens around the text.
struct TokenTemplate: Decodable {
    let prefix: [Int]
    let suffix: [Int]

    static let empty = TokenTemplate(prefix: [], suffix: [])

    init(prefix: [Int], suffix: [Int]) {
        self.prefix = prefix
        self.suffix = suffix
    }

    private enum Keys: String, CodingKey {
        case type, single
        case specialTokens = "special_tokens"
    }
    private struct SpecialToken: Decodable {
        let ids: [Int]
    }
    private struct Reference: Decodable {
        let id: String
    }
    private struct Item: Decodable {
        let special: Reference?
        let sequence: Reference?

        enum CodingKeys: String, CodingKey {
            case special = "SpecialToken"
            case sequence = "Sequence"
        }
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        let type = try values.decode(String.self, forKey: .type)
        guard type == "TemplateProcessing" else {
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: values, debugDescription: "the post-processor \"\(type)\" is not supported")
        }
        let tokens = try values.decode([String: SpecialToken].self, forKey: .specialTokens)
        var sides: [[Int]] = [[]]
        for item in try values.decode([Item].self, forKey: .single) {
            if item.sequence != nil {
                sides.append([])
            } else if let name = item.special?.id, let token = tokens[name] {
                sides[sides.count - 1] += token.ids
            } else {
                throw DecodingError.dataCorruptedError(
                    forKey: .single, in: values, debugDescription: "names a token that special_tokens does not have")
            }
        }
        guard sides.count == 2 else {
            throw DecodingError.dataCorruptedError(
                forKey: .single, in: values, debugDescription: "does not contain the text exactly once")
        }
        prefix = sides[0]
        suffix = sides[1]
    }

    /// `ids` between the template's tokens, cut on the right if more than `maximumLength` ids would come out.
    func apply(to ids: [Int], maximumLength: Int?) -> [Int] {
        guard let maximumLength else { return prefix + ids + suffix }
        let room = max(maximumLength - prefix.count - suffix.count, 0)
        return Array((prefix + ids.prefix(room) + suffix).prefix(max(maximumLength, 0)))
    }
}
