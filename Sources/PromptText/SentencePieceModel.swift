/// A SentencePiece model (`spiece.model`, the `spiece_model` tensor of ComfyUI's text encoders): a protocol buffer of pieces
/// with scores, of which the few fields are read that decide ids.
/// Format: github.com/google/sentencepiece, `sentencepiece_model.proto`; protobuf.dev/programming-guides/encoding.
package enum SentencePieceModel {
    private static let longest = 1 << 26
    private static let mostPieces = 1 << 20

    /// - Parameter name: what errors call the model.
    /// - Throws: `TextError` for what is damaged, and for models that are not Unigram ones.
    package static func vocabulary(_ bytes: [UInt8], named name: String) throws(TextError) -> CarriedVocabulary {
        guard bytes.count <= longest else {
            throw .unreadable(file: name, reason: "the SentencePiece model has more than \(longest) bytes")
        }
        var vocabulary = CarriedVocabulary()
        // The defaults of the format.
        (vocabulary.unknownID, vocabulary.endID, vocabulary.paddingID) = (0, 2, nil)
        var isUnigram = true
        var message = ProtobufMessage(bytes[...], file: name)
        while let field = try message.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let piece)):
                guard vocabulary.kinds.count < mostPieces else {
                    throw .unreadable(file: name, reason: "the SentencePiece model has more than \(mostPieces) pieces")
                }
                try append(piece, to: &vocabulary, file: name)
            case (2, .bytes(let settings)):
                var message = ProtobufMessage(settings, file: name)
                while let field = try message.next() {
                    guard case .number(let value) = field.value else { continue }
                    // Ids are 32-bit numbers in two's complement; -1 is none.
                    let id = Int32(truncatingIfNeeded: value) < 0 ? nil : Int(Int32(truncatingIfNeeded: value))
                    switch field.number {
                    case 3: isUnigram = value == 1
                    case 40: vocabulary.unknownID = id
                    case 42: vocabulary.endID = id
                    case 43: vocabulary.paddingID = id
                    default: break
                    }
                }
            case (3, .bytes(let normalizer)):
                var message = ProtobufMessage(normalizer, file: name)
                while let field = try message.next() {
                    switch (field.number, field.value) {
                    case (2, .bytes(let rules)): vocabulary.charsmap = Array(rules)
                    case (3, .number(let value)): vocabulary.addsSpaceInFront = value != 0
                    case (4, .number(let value)): vocabulary.removesExtraSpaces = value != 0
                    default: break
                    }
                }
            default: break
            }
        }
        guard isUnigram else {
            throw .invalid(file: name, field: "trainer_spec.model_type", reason: "is not Unigram, which alone is read")
        }
        return vocabulary
    }

    private static func append(
        _ piece: ArraySlice<UInt8>, to vocabulary: inout CarriedVocabulary, file: String
    ) throws(TextError) {
        var text: ArraySlice<UInt8> = []
        var score: Float = 0
        var kind = CarriedVocabulary.Kind.normal
        var message = ProtobufMessage(piece, file: file)
        while let field = try message.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let bytes)): text = bytes
            case (2, .word(let bits)): score = Float(bitPattern: bits)
            case (3, .number(let value)):
                guard let known = Int(exactly: value).flatMap(CarriedVocabulary.Kind.init) else {
                    throw .invalid(
                        file: file, field: "pieces[\(vocabulary.kinds.count)].type", reason: "is unknown (\(value))")
                }
                kind = known
            default: break
            }
        }
        guard score.isFinite, String(validating: text, as: UTF8.self) != nil else {
            throw .invalid(
                file: file, field: "pieces[\(vocabulary.kinds.count)]",
                reason: score.isFinite ? "is not UTF-8" : "has a score that is not finite")
        }
        vocabulary.append(text, score: score, kind: kind)
    }
}

/// The fields of a protocol buffer, one after the other.
private struct ProtobufMessage {
    enum Value {
        case number(UInt64)
        case word(UInt32)
        case bytes(ArraySlice<UInt8>)
        case long
    }

    private var rest: ArraySlice<UInt8>
    private let file: String

    init(_ bytes: ArraySlice<UInt8>, file: String) {
        rest = bytes
        self.file = file
    }

    /// nil at the end.
    mutating func next() throws(TextError) -> (number: Int, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let tag = try varint()
        guard let number = Int(exactly: tag >> 3), number > 0 else { throw fault("a field has no number") }
        switch tag & 7 {
        case 0: return (number, .number(try varint()))
        case 1:
            _ = try take(8)
            return (number, .long)
        case 2:
            guard let count = Int(exactly: try varint()) else { throw fault("a length is too large") }
            return (number, .bytes(try take(count)))
        case 5: return (number, .word(try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }))
        default: throw fault("a field has an unknown type")
        }
    }

    private mutating func take(_ count: Int) throws(TextError) -> ArraySlice<UInt8> {
        guard count <= rest.count else { throw fault("a field is longer than what it stands in") }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private mutating func varint() throws(TextError) -> UInt64 {
        var value: UInt64 = 0
        for place in 0..<10 {
            guard let byte = rest.popFirst() else { throw fault("a number is not whole") }
            value |= UInt64(byte & 0x7F) << UInt64(7 * place)
            if byte < 0x80 { return value }
        }
        throw fault("a number is too long")
    }

    private func fault(_ reason: String) -> TextError {
        .unreadable(file: file, reason: "the SentencePiece model is damaged: \(reason), at byte \(rest.startIndex)")
    }
}
