/// Byte-pair encoding over the bytes of a piece (GPT-2's byte-level form).
///
/// Vocabulary and merges are written in a visible alphabet in which each byte has one character: letters and most of
/// Latin-1 stand for themselves, the other bytes for characters from U+0100 on (`Ġ` is a space).
struct BytePairModel: Sendable {
    /// The id of each byte alone, and as the last of a piece.
    private let byteIDs, lastIDs: [Int32]
    private let merging: PairMerging

    /// Why a vocabulary and its merges do not go together.
    struct Mismatch: Error {
        let field: String
        let reason: String
    }

    /// - Parameter wordEnd: what the last symbol of a piece carries (CLIP's `</w>`).
    init(vocabulary: PieceTable, merges pairs: BytePairMerges, wordEnd: String = "") throws(Mismatch) {
        func ids(_ ending: String) throws(Mismatch) -> [Int32] {
            try Self.alphabet.enumerated().map { byte, character throws(Mismatch) in
                let symbol = String(Character(character)) + ending
                guard let id = vocabulary.id(of: symbol.utf8) else {
                    throw Mismatch(field: "vocab", reason: "has no symbol for the byte \(byte), \"\(symbol)\"")
                }
                return Int32(id)
            }
        }
        byteIDs = try ids("")
        lastIDs = wordEnd.isEmpty ? byteIDs : try ids(wordEnd)
        merging = try PairMerging(vocabulary: vocabulary, merges: pairs)
    }

    /// `bytes_to_unicode` of GPT-2: the character of each byte.
    static let alphabet: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
            default:
                defer { next += 1 }
                return Unicode.Scalar(next) ?? Unicode.Scalar(byte)
            }
        }
    }()

    /// Appends the ids of `piece`.
    func encode(_ piece: some Collection<UInt8>, into ids: inout [Int]) {
        merging.merge(
            piece.enumerated().map { ($0 + 1 == piece.count ? lastIDs : byteIDs)[Int($1)] }, into: &ids)
    }
}
