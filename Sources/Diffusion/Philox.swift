/// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC'11).
///
/// A block of four words is a pure function of a 64-bit key and a 128-bit counter, so any part of a stream can be
/// computed without the parts before it.
package struct Philox: Sendable, Equatable {
    /// The low and the high word of the key.
    private let key: (UInt32, UInt32)

    package init(key: UInt64) {
        self.key = (UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32))
    }

    package static func == (a: Philox, b: Philox) -> Bool { a.key == b.key }

    /// Words 0...3 of the block that `counter` (low word first) numbers.
    package func block(_ counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
        var (c0, c1, c2, c3) = (counter[0], counter[1], counter[2], counter[3])
        var (k0, k1) = key
        for _ in 0..<10 {
            let a = (0xD251_1F53 as UInt32).multipliedFullWidth(by: c0)
            let b = (0xCD9E_8D57 as UInt32).multipliedFullWidth(by: c2)
            (c0, c1, c2, c3) = (b.high ^ c1 ^ k0, b.low, a.high ^ c3 ^ k1, a.low)
            k0 &+= 0x9E37_79B9  // golden ratio
            k1 &+= 0xBB67_AE85  // sqrt(3) - 1
        }
        return SIMD4(c0, c1, c2, c3)
    }
}
