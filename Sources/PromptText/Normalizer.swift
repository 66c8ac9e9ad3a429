/// The `normalizer` of tokenizer.json.
enum Normalizer: Decodable {
    case sequence([Normalizer])
    case precompiled(PrecompiledCharsmap)
    case strip(left: Bool, right: Bool)
    case replace(Pattern, with: String)
    case lowercase
    case nfc
    case nfkc

    /// What a `Replace` looks for.
    enum Pattern {
        /// These code points.
        case literal([Unicode.Scalar])
        /// The same code point at least this many times, as many as there are.
        case run(of: Unicode.Scalar, atLeast: Int)
    }

    private enum Keys: String, CodingKey {
        case type, normalizers, pattern, content
        case charsmap = "precompiled_charsmap"
        case stripLeft = "strip_left"
        case stripRight = "strip_right"
    }
    private enum PatternKeys: String, CodingKey {
        case literal = "String"
        case regex = "Regex"
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        let type = try values.decode(String.self, forKey: .type)
        switch type {
        case "Sequence":
            self = .sequence(try values.decode([Normalizer].self, forKey: .normalizers))
        case "Precompiled":
            self = .precompiled(try values.decode(PrecompiledCharsmap.self, forKey: .charsmap))
        case "Strip":
            self = .strip(
                left: try values.decode(Bool.self, forKey: .stripLeft),
                right: try values.decode(Bool.self, forKey: .stripRight))
        case "Replace":
            let patterns = try values.nestedContainer(keyedBy: PatternKeys.self, forKey: .pattern)
            let pattern: Pattern
            if patterns.contains(.regex) {
                let regex = try patterns.decode(String.self, forKey: .regex)
                guard let run = Pattern(regex: regex) else {
                    throw DecodingError.dataCorruptedError(
                        forKey: .regex, in: patterns,
                        debugDescription: "\"\(regex)\" is not supported, only plain text and runs of one character")
                }
                pattern = run
            } else {
                pattern = .literal(Array(try patterns.decode(String.self, forKey: .literal).unicodeScalars))
            }
            self = .replace(pattern, with: try values.decode(String.self, forKey: .content))
        case "Lowercase":
            self = .lowercase
        case "NFC":
            self = .nfc
        case "NFKC":
            self = .nfkc
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: values, debugDescription: "the normalizer \"\(type)\" is not supported")
        }
    }

    func apply(to text: String) -> String {
        switch self {
        case .sequence(let steps): steps.reduce(text) { $1.apply(to: $0) }
        case .precompiled(let charsmap): charsmap.normalize(text)
        case .strip(let left, let right): Self.strip(text, left: left, right: right)
        case .replace(let pattern, let content): pattern.replace(in: text, with: content)
        // By code point, without the contextual rules that `String.lowercased` may bring in.
        case .lowercase: text.unicodeScalars.reduce(into: "") { $0 += $1.properties.lowercaseMapping }
        case .nfc: text.nfc
        case .nfkc: text.nfkc
        }
    }

    private static func strip(_ text: String, left: Bool, right: Bool) -> String {
        var scalars = text.unicodeScalars[...]
        if left { scalars = scalars.drop { $0.properties.isWhitespace } }
        if right {
            while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        }
        return String(scalars)
    }
}

extension Normalizer.Pattern {
    /// Reads the few regular expressions that tokenizers use: plain text, `x+` and `x{2,}`.
    init?(regex: String) {
        let scalars = Array(regex.unicodeScalars)
        let isPlain: (Unicode.Scalar) -> Bool = { !#"\^$.|?*+()[]{}"#.unicodeScalars.contains($0) }
        if !scalars.isEmpty, scalars.allSatisfy(isPlain) {
            self = .literal(scalars)
            return
        }
        guard let first = scalars.first, isPlain(first) else { return nil }
        let quantifier = String(String.UnicodeScalarView(scalars.dropFirst()))
        if quantifier == "+" {
            self = .run(of: first, atLeast: 1)
        } else if quantifier.hasPrefix("{"), quantifier.hasSuffix(",}"),
            let count = Int(quantifier.dropFirst().dropLast(2)), count >= 1
        {
            self = .run(of: first, atLeast: count)
        } else {
            return nil
        }
    }

    func replace(in text: String, with content: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var result = String.UnicodeScalarView()
        var position = 0
        while position < scalars.count {
            let length = length(at: position, in: scalars)
            if length > 0 {
                result.append(contentsOf: content.unicodeScalars)
                position += length
            } else {
                result.append(scalars[position])
                position += 1
            }
        }
        return String(result)
    }

    /// How many code points match at `position`; 0 for no match.
    private func length(at position: Int, in scalars: [Unicode.Scalar]) -> Int {
        switch self {
        case .literal(let pattern):
            return scalars[position...].starts(with: pattern) ? pattern.count : 0
        case .run(let scalar, let least):
            let length = scalars[position...].prefix { $0 == scalar }.count
            return length >= least ? length : 0
        }
    }
}
