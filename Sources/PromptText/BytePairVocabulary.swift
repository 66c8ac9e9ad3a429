import Foundation
import Support

extension PieceTable {
    /// A `vocab.json`: the vocabulary and nothing else.
    init(symbolsAt url: URL) throws(TextError) {
        let bytes = try JSONFile.utf8(at: url)
        var scanner = TextScanner(bytes, file: url.path)
        scanner.skipBlanks()
        try self.init(symbolsOf: &scanner, field: "the vocabulary")
        scanner.skipBlanks()
        guard scanner.peek == nil else { throw scanner.fault("there is more after the value") }
    }

    /// A vocabulary as an object of symbols and their ids.
    /// - Parameter field: what errors call the object.
    init(symbolsOf scanner: inout TextScanner, field: String) throws(TextError) {
        let file = scanner.file
        guard scanner.isAtObject else {
            throw .invalid(file: file, field: field, reason: "is not an object of symbols and ids")
        }
        var symbols = PackedStrings()
        var ids: [Int32] = []
        try scanner.forEachMember { scanner, symbol throws(TextError) in
            let digits: ArraySlice<UInt8>? = scanner.isAtNumber ? try scanner.number() : nil
            guard let digits, let id = Int32(String(decoding: digits, as: UTF8.self)), 0..<1 << 24 ~= id else {
                throw .invalid(
                    file: file, field: "\(field).\(String(decoding: symbol, as: UTF8.self))",
                    reason: "is not an id of 0...\(1 << 24 - 1)")
            }
            symbols.append(symbol)
            ids.append(id)
        }
        self.init(symbols, ids: ids)
    }
}

/// Pairs of symbols that become one, by rank.
struct BytePairMerges {
    /// Left and right in turn, so that what they make lies between the start of one and the end of the other.
    private(set) var symbols = PackedStrings()

    var count: Int { symbols.count / 2 }

    /// An array of pairs, or as in files from before tokenizers 0.20 of strings with both symbols.
    /// - Parameter field: what errors call the array.
    init(_ scanner: inout TextScanner, field: String) throws(TextError) {
        let file = scanner.file
        guard scanner.isAtArray else {
            throw .invalid(file: file, field: field, reason: "is not an array of merges")
        }
        try scanner.forEachElement { scanner throws(TextError) in
            let before = symbols.count
            var arePairs = true
            switch scanner.peek {
            case UInt8(ascii: "\""): arePairs = appendLine(try scanner.string())
            case UInt8(ascii: "["):
                try scanner.forEachElement { scanner throws(TextError) in
                    guard scanner.isAtString else {
                        arePairs = false
                        return try scanner.skipValue()
                    }
                    symbols.append(try scanner.string())
                }
            default: try scanner.skipValue()
            }
            guard arePairs, symbols.count == before + 2 else {
                throw .invalid(file: file, field: "\(field)[\(before / 2)]", reason: "is not two symbols")
            }
        }
    }

    /// All pairs of known pieces that make a piece, by its place, then by their ids: the order in which transformers wrote Gemma's
    /// merges (`GemmaSentencePieceExtractor`).
    init(making pieces: PackedStrings, of known: PieceTable) {
        for index in pieces.indices where known.id(of: pieces[index]) != nil {
            let piece = pieces.range(of: index)
            let isFirst: (Int) -> Bool = { pieces.bytes[$0] & 0xC0 != 0x80 }
            let pairs = piece.dropFirst().filter(isFirst).compactMap { cut -> (ids: (Int, Int), cut: Int)? in
                guard let left = known.id(of: pieces.bytes, piece.lowerBound..<cut),
                    let right = known.id(of: pieces.bytes, cut..<piece.upperBound)
                else { return nil }
                return ((left, right), cut)
            }
            for (_, cut) in pairs.sorted(by: { $0.ids < $1.ids }) {
                symbols.append(pieces.bytes[piece.lowerBound..<cut])
                symbols.append(pieces.bytes[cut..<piece.upperBound])
            }
        }
    }

    /// Lines with two symbols each.
    /// - Parameter name: what errors call them.
    init(lines: PackedStrings, named name: String) throws(TextError) {
        for rank in lines.indices where !appendLine(lines[rank]) {
            throw .invalid(file: name, field: "merges[\(rank)]", reason: "is not two symbols")
        }
    }

    /// `merges.txt`: a version line, then two symbols a line.
    init(at url: URL) throws(TextError) {
        let lines = try JSONFile.utf8(at: url).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() where !line.isEmpty {
            if number == 0, line.starts(with: "#version".utf8) { continue }
            guard appendLine(line) else {
                throw .invalid(file: url.path, field: "line \(number + 1)", reason: "is not two symbols")
            }
        }
    }

    /// - Returns: false if the line is not two symbols with one space between them.
    private mutating func appendLine(_ line: ArraySlice<UInt8>) -> Bool {
        guard let space = line.firstIndex(of: UInt8(ascii: " ")) else { return false }
        let (left, right) = (line[..<space], line[(space + 1)...])
        guard !left.isEmpty, !right.isEmpty, !right.contains(UInt8(ascii: " ")) else { return false }
        symbols.append(left)
        symbols.append(right)
        return true
    }
}
