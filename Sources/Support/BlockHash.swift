/// What SHA-1 and SHA-256 share (FIPS 180-4): the message in blocks of 64 bytes, its padding, and words of 32 bits.
struct BlockHash {
    /// Mixes a block of 64 bytes into the state.
    typealias Compression = (_ block: UnsafeRawBufferPointer, _ state: inout [UInt32]) -> Void

    private var state: [UInt32]
    /// Bytes that do not fill a block yet.
    private var rest: [UInt8] = []
    private var count: UInt64 = 0

    init(state: [UInt32]) {
        self.state = state
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer, _ compress: Compression) {
        count += UInt64(bytes.count)
        var start = 0
        if !rest.isEmpty {
            start = min(64 - rest.count, bytes.count)
            rest += bytes[..<start]
            guard rest.count == 64 else { return }
            rest.withUnsafeBytes { compress($0, &state) }
            rest = []
        }
        while bytes.count - start >= 64 {
            compress(UnsafeRawBufferPointer(rebasing: bytes[start..<start + 64]), &state)
            start += 64
        }
        rest += bytes[start...]
    }

    /// Pads the message.
    /// - Returns: the state's words, the most significant byte first.
    mutating func finish(_ compress: Compression) -> [UInt8] {
        let length = count &* 8
        let padding = [0x80] + [UInt8](repeating: 0, count: (119 - rest.count) % 64)
        let end = padding + (0..<8).map { UInt8(truncatingIfNeeded: length >> UInt64(56 - 8 * $0)) }
        end.withUnsafeBytes { update($0, compress) }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * $0)) } }
    }
}
