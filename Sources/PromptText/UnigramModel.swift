import Support

/// The Unigram language model of SentencePiece (Kudo 2018): the segmentation with the largest sum of piece scores.
///
/// The `model` of tokenizer.json, as the `tokenizers` library evaluates it.
struct UnigramModel: Sendable {
    private let table: PieceTable
    private let scores: [Double]
    private let unknownID: Int
    private let unknownScore: Double
    /// Ids of `<0x00>`…`<0xFF>`, nil for a byte that the vocabulary lacks; empty without byte fallback.
    private let byteIDs: [Int?]

    /// The model without its vocabulary.
    struct Parameters: Decodable {
        fileprivate let unknownID: Int
        fileprivate let hasByteFallback: Bool

        private enum Keys: String, CodingKey {
            case type
            case unknownID = "unk_id"
            case byteFallback = "byte_fallback"
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Keys.self)
            let type = try values.decode(String.self, forKey: .type)
            guard type == "Unigram" else {
                throw DecodingError.dataCorruptedError(
                    forKey: .type, in: values, debugDescription: "is \"\(type)\", not \"Unigram\"")
            }
            unknownID = try values.decode(Int.self, forKey: .unknownID)
            hasByteFallback = try values.decodeIfPresent(Bool.self, forKey: .byteFallback) ?? false
        }
    }

    init(_ parameters: Parameters, vocabularyOf file: TokenizerFile) throws(TextError) {
        let (pieces, scores) = try file.readLarge("vocab") { scanner, field throws(TextError) in
            try Self.vocabulary(&scanner, field: field)
        }
        unknownID = parameters.unknownID
        guard scores.indices.contains(unknownID) else {
            throw .invalid(
                file: file.name, field: "model.unk_id",
                reason: "\(unknownID) is outside the \(scores.count) pieces")
        }
        self.scores = scores
        // The penalty of SentencePiece's unigram_model.cc (kUnkPenalty).
        unknownScore = (scores.min() ?? 0) - 10
        let table = PieceTable(pieces)
        self.table = table
        byteIDs = parameters.hasByteFallback ? (0...255).map { table.id(of: Self.bytePiece($0).utf8) } : []
    }

    /// - Throws: `.invalid` where the unknown token is none of the pieces.
    init(_ vocabulary: CarriedVocabulary, named name: String) throws(TextError) {
        guard let unknownID = vocabulary.unknownID, vocabulary.kinds.indices.contains(unknownID) else {
            throw .invalid(
                file: name, field: "the unknown token", reason: "is none of the \(vocabulary.kinds.count) pieces")
        }
        self.unknownID = unknownID
        let scores = vocabulary.scores.map(Double.init)
        self.scores = scores
        let used = vocabulary.kinds.indices.filter { vocabulary.kinds[$0] != .unused }
        unknownScore = (used.map { scores[$0] }.min() ?? 0) - 10
        let table = vocabulary.table(of: [.normal, .unknown, .control, .userDefined, .byte])
        self.table = table
        byteIDs =
            vocabulary.kinds.contains(.byte) ? (0...255).map { table.id(of: Self.bytePiece($0).utf8) } : []
    }

    /// An array of pieces with their scores.
    private static func vocabulary(
        _ scanner: inout TextScanner, field: String
    ) throws(TextError) -> (PackedStrings, scores: [Double]) {
        var pieces = PackedStrings()
        var scores: [Double] = []
        let file = scanner.file
        guard scanner.isAtArray else { throw .invalid(file: file, field: field, reason: "is not an array of pieces") }
        func refusal(_ element: String, _ reason: String) -> TextError {
            .invalid(file: file, field: "\(field)[\(scores.count)]\(element)", reason: reason)
        }
        try scanner.forEachElement { scanner throws(TextError) in
            guard scanner.isAtArray else { throw refusal("", "is not a piece and its score") }
            var (piece, score): (ArraySlice<UInt8>?, Double?)
            try scanner.forEachElement { scanner throws(TextError) in
                if piece == nil {
                    guard scanner.isAtString else { throw refusal("[0]", "is not a string") }
                    piece = try scanner.string()
                } else if score == nil {
                    guard scanner.isAtNumber else { throw refusal("[1]", "is not a number") }
                    score = Double(String(decoding: try scanner.number(), as: UTF8.self))
                } else {
                    throw refusal("[2]", "is more than a piece and its score")
                }
            }
            guard let piece else { throw refusal("[0]", "is missing") }
            guard let score else { throw refusal("[1]", "is missing") }
            guard score.isFinite else { throw refusal("[1]", "the score is not finite") }
            pieces.append(piece)
            scores.append(score)
        }
        guard !scores.isEmpty else { throw .invalid(file: file, field: field, reason: "has 0 pieces") }
        return (pieces, scores)
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
