/// A vocabulary as files of weights carry it: the pieces by id, each with its score and kind, and what belongs to it.
package struct CarriedVocabulary: Sendable {
    /// SentencePiece's kinds, which GGUF files have too.
    package enum Kind: Int, Sendable {
        case normal = 1, unknown, control, userDefined, unused, byte
    }

    package private(set) var pieces = PackedStrings()
    package private(set) var kinds: [Kind] = []
    /// The scores of Unigram models; 0 elsewhere.
    package private(set) var scores: [Float] = []
    package var unknownID: Int?
    package var endID: Int?
    package var paddingID: Int?
    /// SentencePiece's rules of normalisation; empty for none.
    package var charsmap: [UInt8] = []
    package var addsSpaceInFront = true
    package var removesExtraSpaces = true
    /// Pairs of a byte-pair model, `left right`, by rank.
    package var merges = PackedStrings()

    /// SentencePiece's sign for a space.
    package static let space: Unicode.Scalar = "\u{2581}"

    package init() {}

    package mutating func append(_ piece: some Collection<UInt8>, score: Float = 0, kind: Kind = .normal) {
        pieces.append(piece)
        scores.append(score)
        kinds.append(kind)
    }

    /// Tokens that are cut out of a text before the model sees it.
    var addedTokens: [AddedToken] {
        kinds.indices.filter { [.control, .unknown, .userDefined].contains(kinds[$0]) && !pieces[$0].isEmpty }
            .map { AddedToken(id: $0, content: pieces.text(of: $0)) }
    }

    /// A table that looks up the pieces of these kinds.
    func table(of wanted: Set<Kind>) -> PieceTable {
        var kept = PackedStrings()
        var ids: [Int32] = []
        for id in kinds.indices where wanted.contains(kinds[id]) {
            kept.append(pieces[id])
            ids.append(Int32(id))
        }
        return PieceTable(kept, ids: ids)
    }

    /// Ids that have no piece: those that a text encoder has rows for beyond its pieces.
    var unusedCount: Int { kinds.count { $0 == .unused } }
}
