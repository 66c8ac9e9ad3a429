/// The `pre_tokenizer` of a Unigram tokenizer.json: cuts normalised text into the pieces that the model segments
/// one by one.
enum PreTokenizer: Decodable {
    case sequence([PreTokenizer])
    case whitespaceSplit
    case metaspace(Metaspace)

    private enum Keys: String, CodingKey {
        case type, pretokenizers
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        let type = try values.decode(String.self, forKey: .type)
        switch type {
        case "Sequence": self = .sequence(try values.decode([PreTokenizer].self, forKey: .pretokenizers))
        case "WhitespaceSplit": self = .whitespaceSplit
        case "Metaspace": self = .metaspace(try Metaspace(from: decoder))
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: values, debugDescription: "the pre-tokenizer \"\(type)\" is not supported")
        }
    }

    /// - Parameter atStart: whether `text` is at the start of what the user gave.
    func split(_ text: String, atStart: Bool) -> [String] {
        pieces(of: [Piece(scalars: Array(text.unicodeScalars), atStart: atStart)]).map {
            String(String.UnicodeScalarView($0.scalars))
        }
    }

    struct Piece {
        var scalars: [Unicode.Scalar]
        var atStart: Bool
    }

    private func pieces(of pieces: [Piece]) -> [Piece] {
        switch self {
        case .sequence(let steps):
            steps.reduce(pieces) { $1.pieces(of: $0) }
        case .whitespaceSplit:
            pieces.flatMap { piece in
                piece.scalars.split { $0.properties.isWhitespace }.map {
                    Piece(scalars: Array($0), atStart: piece.atStart && $0.startIndex == 0)
                }
            }
        case .metaspace(let metaspace):
            pieces.flatMap(metaspace.split)
        }
    }
}

/// Spaces become a visible mark, one is put in front, and every piece starts with one: `a cat` -> `▁a`, `▁cat`.
struct Metaspace: Decodable {
    /// Where a mark is put in front: nowhere, at each text between added tokens, or only at the very start.
    private enum Prepend: String, Decodable {
        case never, always, first
    }
    private let mark: Unicode.Scalar
    private let prepend: Prepend
    private let splits: Bool

    private enum Keys: String, CodingKey {
        case replacement, split
        case scheme = "prepend_scheme"
        case addPrefixSpace = "add_prefix_space"
    }

    /// SentencePiece's own.
    init(addsSpaceInFront: Bool) {
        mark = CarriedVocabulary.space
        splits = true
        prepend = addsSpaceInFront ? .always : .never
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        let replacement = try values.decode(String.self, forKey: .replacement).unicodeScalars
        guard let first = replacement.first, replacement.count == 1 else {
            throw DecodingError.dataCorruptedError(
                forKey: .replacement, in: values, debugDescription: "is not a single character")
        }
        mark = first
        splits = try values.decodeIfPresent(Bool.self, forKey: .split) ?? true
        // Files written before tokenizers 0.15 have `add_prefix_space` only.
        let addsPrefix = try values.decodeIfPresent(Bool.self, forKey: .addPrefixSpace) ?? true
        let scheme = try values.decodeIfPresent(Prepend.self, forKey: .scheme) ?? .always
        prepend = addsPrefix ? scheme : .never
    }

    func split(_ piece: PreTokenizer.Piece) -> [PreTokenizer.Piece] {
        guard let first = piece.scalars.first else { return [] }
        var scalars = piece.scalars.map { $0 == " " ? mark : $0 }
        let prepends = prepend == .always || prepend == .first && piece.atStart
        if prepends, first != " ", first != mark { scalars.insert(mark, at: 0) }
        guard splits else { return [PreTokenizer.Piece(scalars: scalars, atStart: piece.atStart)] }
        var pieces: [PreTokenizer.Piece] = []
        for scalar in scalars {
            if scalar == mark || pieces.isEmpty {
                pieces.append(PreTokenizer.Piece(scalars: [], atStart: piece.atStart && pieces.isEmpty))
            }
            pieces[pieces.count - 1].scalars.append(scalar)
        }
        return pieces
    }
}
