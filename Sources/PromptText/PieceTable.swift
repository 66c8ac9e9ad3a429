/// A vocabulary as a hash table of UTF-8 strings, made for finding every piece that starts at a given byte.
///
/// The pieces stay packed and no `String` is compared (Swift holds canonically equivalent strings for equal, a vocabulary
/// does not).
struct PieceTable: Sendable {
    private struct Slot {
        var hash: UInt32 = 0
        /// The position of the piece; negative where the slot is empty.
        var position: Int32 = -1
    }
    private let pieces: PackedStrings
    /// The pieces' ids where these are not their positions.
    private let ids: [Int32]?
    private var slots: [Slot]
    private let mask: Int
    /// Bytes of the longest piece.
    private let longest: Int

    /// Where two pieces are equal the later one wins; an empty one is never found.
    /// - Parameter ids: of each piece; nil where they are the positions.
    init(_ pieces: PackedStrings, ids: [Int32]? = nil) {
        var capacity = 16
        while capacity < pieces.count * 2 { capacity *= 2 }
        slots = Array(repeating: Slot(), count: capacity)
        mask = capacity - 1
        longest = pieces.indices.reduce(0) { max($0, pieces.range(of: $1).count) }
        self.pieces = pieces
        self.ids = ids
        for position in pieces.indices {
            let range = pieces.range(of: position)
            guard !range.isEmpty else { continue }
            let hash = Self.hash(pieces.bytes, range)
            let slot = slot(of: pieces.bytes, range, hash: hash)
            slots[slot] = Slot(hash: UInt32(truncatingIfNeeded: hash), position: Int32(position))
        }
    }

    func id(of piece: some Sequence<UInt8>) -> Int? {
        let key = Array(piece)
        return id(of: key, key.indices)
    }

    /// The id of the piece `key[range]`.
    func id(of key: [UInt8], _ range: Range<Int>) -> Int? {
        guard !range.isEmpty else { return nil }
        return id(in: slots[slot(of: key, range, hash: Self.hash(key, range))])
    }

    private func id(in slot: Slot) -> Int? {
        guard slot.position >= 0 else { return nil }
        let position = Int(slot.position)
        return ids.map { Int($0[position]) } ?? position
    }

    /// Calls `body` with the length in bytes and the id of each piece that `text` has at `start`, shortest first.
    func forEachPiece(in text: [UInt8], at start: Int, _ body: (_ length: Int, _ id: Int) -> Void) {
        var hash = Self.seed
        for end in start..<min(start + longest, text.count) {
            hash = Self.mix(hash, text[end])
            if let id = id(in: slots[slot(of: text, start..<end + 1, hash: hash)]) { body(end + 1 - start, id) }
        }
    }

    /// The slot that holds `key[range]`, or the empty one where it would go.
    private func slot(of key: [UInt8], _ range: Range<Int>, hash: UInt64) -> Int {
        let tag = UInt32(truncatingIfNeeded: hash)
        var index = Int(truncatingIfNeeded: hash >> 32) & mask
        while slots[index].position >= 0 {
            if slots[index].hash == tag, holds(Int(slots[index].position), key, range) { return index }
            index = (index + 1) & mask
        }
        return index
    }

    private func holds(_ position: Int, _ key: [UInt8], _ range: Range<Int>) -> Bool {
        let piece = pieces.range(of: position)
        guard piece.count == range.count else { return false }
        for offset in 0..<range.count where pieces.bytes[piece.lowerBound + offset] != key[range.lowerBound + offset] {
            return false
        }
        return true
    }

    /// FNV-1a with a final-quality multiplier, 64 bits: the halves serve as slot and as tag.
    private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325
    private static func mix(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        let product = (hash ^ UInt64(byte)) &* 0x9E37_79B9_7F4A_7C15
        return product ^ (product >> 32)
    }

    private static func hash(_ key: [UInt8], _ range: Range<Int>) -> UInt64 {
        var hash = seed
        for index in range { hash = mix(hash, key[index]) }
        return hash
    }
}
