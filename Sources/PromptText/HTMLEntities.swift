/// Character references of HTML: `&eacute;`, `&#233;`, `&#xE9;`.
package enum HTMLEntities {
    private struct Reference {
        let value: [Unicode.Scalar]
        /// One of the old names, which count without a semicolon too.
        let isLegacy: Bool
    }

    private static let table: [String: Reference] = {
        var table: [String: Reference] = [:]
        for entry in namedReferences.split(whereSeparator: \.isWhitespace) {
            let parts = entry.split { $0 == ":" || $0 == "*" }
            guard parts.count == 2 else { continue }
            let value = parts[1].split(separator: "+").compactMap { UInt32($0, radix: 16).flatMap(Unicode.Scalar.init) }
            table[String(parts[0])] = Reference(value: value, isLegacy: entry.contains("*"))
        }
        return table
    }()

    /// Replaces references as Python's `html.unescape` does: by the rules of HTML 5, with old names also where
    /// the semicolon is missing (`&ampx` -> `&x`).
    package static func unescape(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        replaceReferences(in: text) { rest in
            if let (value, length) = number(in: rest) { return (value, length) }
            let name = rest.prefix(32, while: isInName)
            let isTerminated = rest.dropFirst(name.count).first == ";"
            if isTerminated, let reference = reference(name) { return (reference.value, name.count + 1) }
            // The longest old name at the start; what follows it, up to the end of the whole name, is kept as it is.
            for length in stride(from: name.count, through: 2, by: -1) {
                if let reference = reference(name.prefix(length)), reference.isLegacy {
                    let consumed = name.count + (isTerminated ? 1 : 0)
                    return (reference.value + rest.prefix(consumed).dropFirst(length), consumed)
                }
            }
            return nil
        }
    }

    /// Replaces only what is certainly a reference, as ftfy's `unescape_html` does: it ends in a semicolon. Names
    /// that somebody put in capitals (`&EACUTE;`) count where they mean nothing else.
    static func unescapeCertain(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        replaceReferences(in: text) { rest in
            let body = rest.first == "#" ? rest.dropFirst() : rest
            let name = body.prefix(24, while: isASCIIAlphanumeric)
            let length = rest.count - body.count + name.count + 1
            guard !name.isEmpty, body.dropFirst(name.count).first == ";" else { return nil }
            if rest.first == "#" {
                // ftfy leaves a number alone that is not followed by the semicolon, or that means one.
                guard let (value, consumed) = number(in: rest), consumed == length, value != [";"] else { return nil }
                return (value, length)
            }
            if let reference = reference(name) { return (reference.value, length) }
            return capitalized(name).map { ($0, length) }
        }
    }

    /// `EACUTE` -> `É`, unless an old name stands at its start.
    private static func capitalized(_ name: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar]? {
        guard !name.contains(where: { ("a"..."z").contains($0) }) else { return nil }
        for length in stride(from: name.count, through: 2, by: -1) {
            if let reference = reference(name.prefix(length)), reference.isLegacy { return nil }
        }
        let lowered = name.map { $0.properties.lowercaseMapping }.joined()
        return table[lowered].map { reference in
            reference.value.flatMap { Array($0.properties.uppercaseMapping.unicodeScalars) }
        }
    }

    /// - Parameter replacement: given what follows an ampersand, what to put in place of the ampersand and of how
    ///   many code points after it.
    private static func replaceReferences(
        in text: [Unicode.Scalar],
        by replacement: (ArraySlice<Unicode.Scalar>) -> (value: [Unicode.Scalar], length: Int)?
    ) -> [Unicode.Scalar] {
        guard text.contains("&") else { return text }
        var result: [Unicode.Scalar] = []
        var position = 0
        while position < text.count {
            if text[position] == "&", let (value, length) = replacement(text[(position + 1)...]) {
                result += value
                position += 1 + length
            } else {
                result.append(text[position])
                position += 1
            }
        }
        return result
    }

    private static func reference(_ name: ArraySlice<Unicode.Scalar>) -> Reference? {
        // Only ASCII: to Swift's dictionaries a KELVIN SIGN is a K.
        guard name.allSatisfy(\.isASCII) else { return nil }
        return table[String(String.UnicodeScalarView(name))]
    }

    private static func isInName(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\t", "\n", "\u{C}", " ", "<", "&", "#", ";": false
        default: true
        }
    }

    private static func isASCIIAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "0"..."9", "A"..."Z", "a"..."z": true
        default: false
        }
    }

    /// A numeric reference at the start of `rest`, which is what follows the ampersand.
    private static func number(in rest: ArraySlice<Unicode.Scalar>) -> (value: [Unicode.Scalar], length: Int)? {
        guard rest.first == "#" else { return nil }
        var digits = rest.dropFirst()
        let isHexadecimal = digits.first == "x" || digits.first == "X"
        if isHexadecimal { digits = digits.dropFirst() }
        let radix: UInt32 = isHexadecimal ? 16 : 10
        var number: UInt32 = 0
        var end = digits.startIndex
        while end < digits.endIndex, let digit = digit(digits[end], radix: radix) {
            number = min(number * radix + digit, 0x11_0000)  // anything above is out of range all the same
            end += 1
        }
        guard end > digits.startIndex else { return nil }
        if end < rest.endIndex, rest[end] == ";" { end += 1 }
        return (character(numbered: number), end - rest.startIndex)
    }

    private static func digit(_ scalar: Unicode.Scalar, radix: UInt32) -> UInt32? {
        switch scalar {
        case "0"..."9": scalar.value - 0x30
        case "a"..."f" where radix == 16: scalar.value - 0x61 + 10
        case "A"..."F" where radix == 16: scalar.value - 0x41 + 10
        default: nil
        }
    }

    /// WHATWG, 13.2.5.80 "Numeric character reference end state"; characters that must not be there vanish.
    private static func character(numbered number: UInt32) -> [Unicode.Scalar] {
        switch number {
        case 0: return ["\u{FFFD}"]
        case 0x0D: return ["\r"]
        case 0x80...0x9F: return [Windows1252.scalar(UInt8(number))]
        case 0x1...0x8, 0xB, 0xE...0x1F, 0x7F, 0xFDD0...0xFDEF: return []
        case 0xFFFE...0x10_FFFF where number & 0xFFFE == 0xFFFE: return []
        default: return [Unicode.Scalar(number) ?? "\u{FFFD}"]
        }
    }
}

extension ArraySlice {
    /// The first elements, at most `maximum`, up to the first that does not match.
    fileprivate func prefix(_ maximum: Int, while matches: (Element) -> Bool) -> ArraySlice {
        prefix(maximum).prefix(while: matches)
    }
}
