/// An entry of `added_tokens` in tokenizer.json: a string that stands for one id and is cut out of the text
/// before the tokenizer's model sees it.
struct AddedToken: Decodable {
    let id: Int
    let content: String
    /// The token counts only where no word character touches it.
    let singleWord: Bool
    /// Takes the whitespace on its left (right) with it.
    let stripsLeft: Bool
    let stripsRight: Bool
    /// Whether it is looked for in the normalised text rather than in the text as given.
    let isNormalized: Bool

    /// The same without its id, which stands elsewhere.
    struct Unnumbered: Decodable {
        fileprivate let content: String
        fileprivate let singleWord, stripsLeft, stripsRight, isNormalized: Bool

        private enum Keys: String, CodingKey {
            case content, special, normalized, lstrip, rstrip
            case singleWord = "single_word"
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Keys.self)
            content = try values.decode(String.self, forKey: .content)
            let special = try values.decodeIfPresent(Bool.self, forKey: .special) ?? true
            singleWord = try values.decodeIfPresent(Bool.self, forKey: .singleWord) ?? false
            stripsLeft = try values.decodeIfPresent(Bool.self, forKey: .lstrip) ?? false
            stripsRight = try values.decodeIfPresent(Bool.self, forKey: .rstrip) ?? false
            isNormalized = try values.decodeIfPresent(Bool.self, forKey: .normalized) ?? !special
        }
    }

    private enum Keys: String, CodingKey { case id }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        let id = try values.decode(Int.self, forKey: .id)
        guard (0...Int(Int32.max)).contains(id) else {
            throw DecodingError.dataCorruptedError(forKey: .id, in: values, debugDescription: "\(id) is not an id")
        }
        self.init(id: id, try Unnumbered(from: decoder))
    }

    init(id: Int, _ token: Unnumbered) {
        self.id = id
        content = token.content
        singleWord = token.singleWord
        stripsLeft = token.stripsLeft
        stripsRight = token.stripsRight
        isNormalized = token.isNormalized
    }

    /// A special token without further rules.
    init(id: Int, content: String) {
        self.id = id
        self.content = content
        (singleWord, stripsLeft, stripsRight, isNormalized) = (false, false, false, false)
    }
}

/// Cuts added tokens out of a text: the leftmost first, the longest where several start at one place.
struct AddedTokens: Sendable {
    enum Section: Equatable {
        case token(Int)
        /// Text between tokens; `atStart` if it is where the given text begins.
        case text(String, atStart: Bool)
    }

    private struct Entry {
        let scalars: [Unicode.Scalar]
        let token: AddedToken
    }
    /// The tokens by their first code point, longest first.
    private let entries: [Unicode.Scalar: [Entry]]

    /// - Parameter normalize: applied to the tokens' strings, for those to be found in normalised text.
    init(_ tokens: [AddedToken], normalize: (String) -> String = { $0 }) {
        var entries: [Unicode.Scalar: [Entry]] = [:]
        for token in tokens {
            let scalars = Array(normalize(token.content).unicodeScalars)
            guard let first = scalars.first else { continue }
            entries[first, default: []].append(Entry(scalars: scalars, token: token))
        }
        self.entries = entries.mapValues { $0.sorted { $0.scalars.count > $1.scalars.count } }
    }

    func split(_ text: String) -> [Section] {
        guard !entries.isEmpty else { return text.isEmpty ? [] : [.text(text, atStart: true)] }
        let scalars = Array(text.unicodeScalars)
        var sections: [Section] = []
        var sectionStart = 0
        var position = 0

        func closeText(at end: Int) {
            guard sectionStart < end else { return }
            let text = String(String.UnicodeScalarView(scalars[sectionStart..<end]))
            sections.append(.text(text, atStart: sectionStart == 0))
        }

        while position < scalars.count {
            guard let entry = match(in: scalars, at: position) else {
                position += 1
                continue
            }
            var start = position
            var end = position + entry.scalars.count
            position = end
            if entry.token.singleWord {
                let touchesLeft = start > 0 && scalars[start - 1].isWordCharacter
                let touchesRight = end < scalars.count && scalars[end].isWordCharacter
                if touchesLeft || touchesRight { continue }
            }
            if entry.token.stripsLeft {
                while start > sectionStart, scalars[start - 1].properties.isWhitespace { start -= 1 }
            }
            if entry.token.stripsRight {
                while end < scalars.count, scalars[end].properties.isWhitespace { end += 1 }
            }
            closeText(at: start)
            sections.append(.token(entry.token.id))
            sectionStart = end
            position = max(position, end)
        }
        closeText(at: scalars.count)
        return sections
    }

    private func match(in scalars: [Unicode.Scalar], at position: Int) -> Entry? {
        entries[scalars[position]]?.first { entry in
            scalars[position...].starts(with: entry.scalars)
        }
    }
}

extension Unicode.Scalar {
    /// `\w` of Unicode regular expressions (UTS 18, annex C).
    var isWordCharacter: Bool {
        switch properties.generalCategory {
        case .decimalNumber, .nonspacingMark, .spacingMark, .enclosingMark, .connectorPunctuation: true
        default: properties.isAlphabetic || properties.isJoinControl
        }
    }
}
