import Foundation

/// FNV-1a, 64 bits (Fowler, Noll and Vo): the hash tells accidents, not attacks.
package enum FNV1a {
    package static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// Hashes memory in one go; `Data` is slow as a sequence.
    package static func hash(_ data: Data) -> UInt64 {
        data.withUnsafeBytes { hash($0) }
    }

    /// The hash of the text's UTF-8 bytes as 16 hexadecimal digits.
    package static func hex(_ text: String) -> String { Hexadecimal.text(hash(text.utf8)) }
}
