/// Text chunks of the PNG specification (third edition, section 11.3.3).
enum PNGText {
    /// A whole chunk: tEXt if Latin-1 holds the text, else iTXt (UTF-8, not compressed, no language tag).
    ///
    /// - Throws: `invalidKeyword`, `nulInText`.
    static func chunk(keyword: String, value: String) throws(MediaError) -> [UInt8] {
        guard let name = latin1(keyword), isValid(name) else { throw .invalidKeyword(keyword) }
        guard !value.unicodeScalars.contains("\0") else { throw .nulInText(keyword: keyword) }
        if let text = latin1(value) {
            return chunk(type: "tEXt", data: name + [0] + text)
        }
        // Keyword, its end, not compressed (two bytes), no language tag, no translated keyword.
        return chunk(type: "iTXt", data: name + [0, 0, 0, 0, 0] + Array(value.utf8))
    }

    /// The chunk of an XMP packet (XMP specification, part 3, 1.1.5).
    static func chunk(xmp packet: [UInt8]) -> [UInt8] {
        chunk(type: "iTXt", data: Array("XML:com.adobe.xmp".utf8) + [0, 0, 0, 0, 0] + packet)
    }

    /// The Latin-1 bytes of `text` if it has printable characters and newlines only: the specification
    /// discourages other control characters in tEXt.
    private static func latin1(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A, 0x20...0x7E, 0xA0...0xFF: bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            default: return nil
            }
        }
        return bytes
    }

    /// 1 to 79 printable characters; spaces only between others, and one at a time.
    private static func isValid(_ keyword: [UInt8]) -> Bool {
        let space: UInt8 = 0x20
        return (1...79).contains(keyword.count)
            && !keyword.contains { $0 == 0x0A || $0 == 0xA0 }
            && keyword.first != space && keyword.last != space
            && !zip(keyword, keyword.dropFirst()).contains { $0 == space && $1 == space }
    }

    /// Length, type, data and the CRC over type and data.
    private static func chunk(type: String, data: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + data
        return bigEndian(UInt32(truncatingIfNeeded: data.count)) + body + bigEndian(crc32(body))
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// CRC-32 of ISO 3309, as PNG and zlib use it (polynomial 0xEDB88320 reflected).
    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc = (crc >> 8) ^ crcTable[Int(UInt8(truncatingIfNeeded: crc) ^ byte)]
        }
        return ~crc
    }

    private static let crcTable: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
    }
}
