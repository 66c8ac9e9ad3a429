import Foundation

/// SentencePiece's normalisation rules (`precompiled_charsmap`): a double-array trie from byte sequences to
/// replacement strings.
///
/// The layout is a little-endian uint32 with the size of the trie in bytes, the trie's uint32 units, then
/// NUL-terminated UTF-8 replacements; a leaf holds the offset of its replacement. Units are those of darts-clone
/// (github.com/s-yata/darts-clone, `DoubleArrayUnit`).
struct PrecompiledCharsmap: Decodable {
    private let units: [UInt32]
    private let replacements: [UInt8]

    /// What is wrong with the rules.
    struct Damage: Error {
        let reason: String
    }

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        func damaged(_ reason: String) -> DecodingError {
            DecodingError.dataCorruptedError(in: value, debugDescription: reason)
        }
        guard let data = Data(base64Encoded: try value.decode(String.self)) else { throw damaged("is not base64") }
        do throws(Damage) {
            self = try PrecompiledCharsmap([UInt8](data))
        } catch {
            throw damaged(error.reason)
        }
    }

    init(_ bytes: [UInt8]) throws(Damage) {
        func unit(at offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
        }
        guard bytes.count >= 4 else { throw Damage(reason: "has \(bytes.count) bytes, not even its header") }
        let trieBytes = Int(unit(at: 0))
        guard trieBytes > 0, trieBytes % 4 == 0, trieBytes <= bytes.count - 4 else {
            throw Damage(reason: "has a trie of \(trieBytes) bytes in \(bytes.count) bytes")
        }
        units = stride(from: 4, to: 4 + trieBytes, by: 4).map(unit)
        replacements = Array(bytes[(4 + trieBytes)...])
        guard String(validating: replacements, as: UTF8.self) != nil else {
            throw Damage(reason: "replaces by invalid UTF-8")
        }
    }

    /// Replaces grapheme cluster by grapheme cluster. A cluster of at least six bytes, or one without a rule, is
    /// taken code point by code point instead.
    func normalize(_ text: String) -> String {
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count)
        for cluster in text {
            if cluster.utf8.count < 6, let replacement = replacement(of: cluster.utf8) {
                result += replacement
                continue
            }
            for scalar in cluster.unicodeScalars {
                let bytes = UTF8.encode(scalar)
                if let bytes, let replacement = replacement(of: bytes) {
                    result += replacement
                } else if let bytes {
                    result += bytes
                }
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The rule of the *shortest* prefix of `key` that has one; it replaces all of `key`, as SentencePiece's
    /// ports in the `tokenizers` library do.
    private func replacement(of key: some Sequence<UInt8>) -> ArraySlice<UInt8>? {
        var node = Int(offset(units[0]))
        for byte in key {
            guard byte != 0 else { return nil }
            node ^= Int(byte)
            guard units.indices.contains(node) else { return nil }
            let unit = units[node]
            guard unit & 0x8000_00FF == UInt32(byte) else { return nil }
            node ^= Int(offset(unit))
            if unit & 0x100 != 0 {
                guard units.indices.contains(node) else { return nil }
                return replacement(at: Int(units[node] & 0x7FFF_FFFF))
            }
        }
        return nil
    }

    private func offset(_ unit: UInt32) -> UInt32 {
        (unit >> 10) << ((unit & 0x200) >> 6)
    }

    private func replacement(at start: Int) -> ArraySlice<UInt8>? {
        guard start <= replacements.count else { return nil }
        let rest = replacements[start...]
        return rest.prefix { $0 != 0 }
    }
}
