/// What follows a backslash in a string of JSON (RFC 8259, section 7).
package struct JSONEscape {
    package struct Fault: Error {
        package let reason: String
    }

    private let bytes: [UInt8]
    private var position: Int

    /// The character of the escape at `position`, behind its backslash; `position` moves on to where reading ended.
    package static func scalar(in bytes: [UInt8], at position: inout Int) throws(Fault) -> Unicode.Scalar {
        var escape = JSONEscape(bytes: bytes, position: position)
        defer { position = escape.position }
        return try escape.scalar()
    }

    private mutating func scalar() throws(Fault) -> Unicode.Scalar {
        guard let byte = peek else { throw Fault(reason: "the text ends inside a string") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw Fault(reason: "there is no such escape")
        }
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // Beyond the first plane a character is written as two units, high then low.
        guard (0xD800..<0xDC00).contains(first), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw Fault(reason: "half of a surrogate pair")
        }
        let second = try codeUnit()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
        else { throw Fault(reason: "half of a surrogate pair") }
        return scalar
    }

    private mutating func codeUnit() throws(Fault) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw Fault(reason: "four hexadecimal digits should be here")
            }
            unit = unit << 4 | UInt16(digit)
            position += 1
        }
        return unit
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }
}
