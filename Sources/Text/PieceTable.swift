/// A vocabulary as a hash table of UTF-8 strings, made for finding every piece that starts at a given byte.
///
/// The pieces lie end to end in one array: 256,000 of them take a few megabytes, and no `String` is compared
/// (Swift holds canonically equivalent strings for equal, a vocabulary does not).
struct PieceTable: Sendable {
    private struct Slot {
        var hash: UInt32 = 0
        var id: Int32 = -1
    }
    private var bytes: [UInt8] = []
    private var starts: [Int] = [0]
    private var slots: [Slot]
    private let mask: Int
    /// Bytes of the longest piece.
    private let longest: Int

    /// A piece's id is its position. Where two are equal the later one wins; an empty one is never found.
    init(_ pieces: some Collection<String>) {
        var capacity = 16
        while capacity < pieces.count * 2 { capacity *= 2 }
        slots = Array(repeating: Slot(), count: capacity)
        mask = capacity - 1
        longest = pieces.reduce(0) { max($0, $1.utf8.count) }
        starts.reserveCapacity(pieces.count + 1)
        for (id, piece) in pieces.enumerated() {
            let start = bytes.count
            bytes.append(contentsOf: piece.utf8)
            starts.append(bytes.count)
            guard start < bytes.count else { continue }
            let hash = bytes[start...].reduce(Self.seed, Self.mix)
            let slot = slot(of: bytes, start..<bytes.count, hash: hash)
            slots[slot] = Slot(hash: UInt32(truncatingIfNeeded: hash), id: Int32(id))
        }
    }

    func id(of piece: some Sequence<UInt8>) -> Int? {
        let key = Array(piece)
        guard !key.isEmpty else { return nil }
        let slot = slots[slot(of: key, key.indices, hash: key.reduce(Self.seed, Self.mix))]
        return slot.id < 0 ? nil : Int(slot.id)
    }

    /// Calls `body` with the length in bytes and the id of each piece that `text` has at `start`, shortest first.
    func forEachPiece(in text: [UInt8], at start: Int, _ body: (_ length: Int, _ id: Int) -> Void) {
        var hash = Self.seed
        for end in start..<min(start + longest, text.count) {
            hash = Self.mix(hash, text[end])
            let slot = slots[slot(of: text, start..<end + 1, hash: hash)]
            if slot.id >= 0 { body(end + 1 - start, Int(slot.id)) }
        }
    }

    /// The slot that holds `key[range]`, or the empty one where it would go.
    private func slot(of key: [UInt8], _ range: Range<Int>, hash: UInt64) -> Int {
        let tag = UInt32(truncatingIfNeeded: hash)
        var index = Int(truncatingIfNeeded: hash >> 32) & mask
        while slots[index].id >= 0 {
            if slots[index].hash == tag, holds(Int(slots[index].id), key, range) { return index }
            index = (index + 1) & mask
        }
        return index
    }

    private func holds(_ id: Int, _ key: [UInt8], _ range: Range<Int>) -> Bool {
        let start = starts[id]
        guard starts[id + 1] - start == range.count else { return false }
        for offset in 0..<range.count where bytes[start + offset] != key[range.lowerBound + offset] { return false }
        return true
    }

    /// FNV-1a with a final-quality multiplier, 64 bits: the halves serve as slot and as tag.
    private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325
    private static func mix(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        let product = (hash ^ UInt64(byte)) &* 0x9E37_79B9_7F4A_7C15
        return product ^ (product >> 32)
    }
}
