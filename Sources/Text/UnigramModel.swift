/// The Unigram language model of SentencePiece (Kudo 2018): the segmentation with the largest sum of piece scores.
///
/// The `model` of tokenizer.json, as the `tokenizers` library evaluates it.
struct UnigramModel: Decodable, Sendable {
    private let table: PieceTable
    private let scores: [Double]
    private let unknownID: Int
    private let unknownScore: Double
    /// Ids of `<0x00>`…`<0xFF>`, nil for a byte that the vocabulary lacks; empty without byte fallback.
    private let byteIDs: [Int?]

    private enum Keys: String, CodingKey {
        case type, vocab
        case unknownID = "unk_id"
        case byteFallback = "byte_fallback"
    }
    private struct Entry: Decodable {
        let piece: String
        let score: Double

        init(from decoder: any Decoder) throws {
            var values = try decoder.unkeyedContainer()
            piece = try values.decode(String.self)
            score = try values.decode(Double.self)
            guard score.isFinite else {
                throw DecodingError.dataCorruptedError(in: values, debugDescription: "the score is not finite")
            }
        }
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        let type = try values.decode(String.self, forKey: .type)
        guard type == "Unigram" else {
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: values, debugDescription: "is \"\(type)\", not \"Unigram\"")
        }
        let entries = try values.decode([Entry].self, forKey: .vocab)
        guard (1...Int(Int32.max)).contains(entries.count) else {
            throw DecodingError.dataCorruptedError(
                forKey: .vocab, in: values, debugDescription: "has \(entries.count) pieces")
        }
        unknownID = try values.decode(Int.self, forKey: .unknownID)
        guard entries.indices.contains(unknownID) else {
            throw DecodingError.dataCorruptedError(
                forKey: .unknownID, in: values,
                debugDescription: "\(unknownID) is outside the \(entries.count) pieces")
        }
        scores = entries.map(\.score)
        // The penalty of SentencePiece's unigram_model.cc (kUnkPenalty).
        unknownScore = (scores.min() ?? 0) - 10
        let table = PieceTable(entries.lazy.map(\.piece))
        self.table = table
        let hasByteFallback = try values.decodeIfPresent(Bool.self, forKey: .byteFallback) ?? false
        byteIDs = hasByteFallback ? (0...255).map { table.id(of: Self.bytePiece($0).utf8) } : []
    }

    private static func bytePiece(_ byte: Int) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x" + (digits.count < 2 ? "0" : "") + digits + ">"
    }

    func id(of piece: String) -> Int? { table.id(of: piece.utf8) }

    /// The best way found to segment a text up to some byte.
    private struct Node {
        var score = 0.0
        /// Where its last piece starts; negative as long as no path ends here.
        var start = -1
        var id = 0

        mutating func offer(score: Double, start: Int, id: Int) {
            if self.start < 0 || score > self.score { self = Node(score: score, start: start, id: id) }
        }
    }

    /// Appends the ids of the best segmentation of `piece`.
    func segment(_ piece: String, into ids: inout [Int]) {
        let text = Array(piece.utf8)
        var nodes = Array(repeating: Node(), count: text.count + 1)
        var position = 0
        while position < text.count {
            let score = nodes[position].score
            let width = min(Self.width(ofScalarStartingWith: text[position]), text.count - position)
            var coversScalar = false
            table.forEachPiece(in: text, at: position) { length, id in
                nodes[position + length].offer(score: score + scores[id], start: position, id: id)
                if length == width { coversScalar = true }
            }
            if !coversScalar {
                nodes[position + width].offer(score: score + unknownScore, start: position, id: unknownID)
            }
            position += width
        }

        var path: [(range: Range<Int>, id: Int)] = []
        var end = text.count
        while end > 0 {
            let node = nodes[end]
            if let last = path.last, last.id == unknownID, node.id == unknownID {
                path[path.count - 1].range = node.start..<last.range.upperBound
            } else {
                path.append((node.start..<end, node.id))
            }
            end = node.start
        }
        for (range, id) in path.reversed() {
            if id == unknownID {
                appendUnknown(text[range], to: &ids)
            } else {
                ids.append(id)
            }
        }
    }

    /// Neighbouring unknown characters count as one: a piece if they make one, else their bytes if the vocabulary
    /// has all of these, else one unknown token.
    private func appendUnknown(_ bytes: ArraySlice<UInt8>, to ids: inout [Int]) {
        if let id = table.id(of: bytes) {
            ids.append(id)
            return
        }
        let fallback = byteIDs.isEmpty ? [] : bytes.compactMap { byteIDs[Int($0)] }
        ids += fallback.count == bytes.count ? fallback : [unknownID]
    }

    private static func width(ofScalarStartingWith byte: UInt8) -> Int {
        byte < 0x80 ? 1 : max((~byte).leadingZeroBitCount, 1)
    }
}
