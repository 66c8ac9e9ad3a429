/// An error that can tell where a text is not JSON.
package protocol JSONSyntaxError: Error {
    /// - Parameter file: what errors call the text; empty for one without a name.
    init(_ fault: JSONFault, in file: String)
}

/// Walks JSON (RFC 8259) in UTF-8 without making values of it: a vocabulary of 150,000 strings goes straight into the
/// table that it is looked up in. `JSON` makes values by the same walk.
///
/// The scanner refuses wrong syntax by throwing `Fault`; the caller judges which value stands where.
package struct JSONScanner<Fault: JSONSyntaxError> {
    private let bytes: [UInt8]
    package private(set) var position: Int
    /// What errors call the file.
    package let file: String

    /// - Precondition: `position` is in `bytes` or at their end.
    package init(_ bytes: [UInt8], at position: Int = 0, file: String = "") {
        self.bytes = bytes
        self.position = position
        self.file = file
    }

    // MARK: Values

    /// Calls `body` with each name of the object that begins here; it must take the value.
    package mutating func forEachMember(
        _ body: (_ scanner: inout Self, _ name: ArraySlice<UInt8>) throws(Fault) -> Void
    ) throws(Fault) {
        try forEachItem(from: UInt8(ascii: "{"), to: UInt8(ascii: "}")) { scanner throws(Fault) in
            let name = try scanner.string()
            scanner.skipBlanks()
            guard scanner.take(UInt8(ascii: ":")) else { throw scanner.fault("a colon should be here") }
            scanner.skipBlanks()
            try body(&scanner, name)
        }
    }

    /// Calls `body` at each element of the array that begins here; it must take the element.
    package mutating func forEachElement(
        _ body: (_ scanner: inout Self) throws(Fault) -> Void
    ) throws(Fault) {
        try forEachItem(from: UInt8(ascii: "["), to: UInt8(ascii: "]"), body)
    }

    private mutating func forEachItem(
        from opening: UInt8, to closing: UInt8, _ body: (_ scanner: inout Self) throws(Fault) -> Void
    ) throws(Fault) {
        guard take(opening) else { throw fault("\(Unicode.Scalar(opening)) should be here") }
        skipBlanks()
        if take(closing) { return }
        while true {
            skipBlanks()
            try body(&self)
            skipBlanks()
            if take(closing) { return }
            guard take(UInt8(ascii: ",")) else {
                throw fault("a comma or \(Unicode.Scalar(closing)) should be here")
            }
        }
    }

    /// The bytes of the string that begins here: the file's own where it has no escapes.
    package mutating func string() throws(Fault) -> ArraySlice<UInt8> {
        guard take(UInt8(ascii: "\"")) else { throw fault("a string should be here") }
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return bytes[start..<position - 1]
            case UInt8(ascii: "\\"): return try escapedString(from: start)[...]
            case 0..<0x20: throw fault("a control character in a string must be escaped")
            default: position += 1
            }
        }
        throw fault("the text ends inside a string")
    }

    /// The digits, sign, point and exponent of the number that begins here.
    package mutating func number() throws(Fault) -> ArraySlice<UInt8> {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return bytes[start..<position]
    }

    /// Passes over the value that begins here. Only strings and brackets are looked at: whoever reads the value, or the
    /// decoder that gets what is around it, sees the rest.
    package mutating func skipValue() throws(Fault) {
        var depth = 0
        let start = position
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""): try skipString()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
                continue
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                // The end of what the value, a word or a number, stands in.
                if depth == 0 { return try requireValue(since: start) }
                depth -= 1
                position += 1
            case UInt8(ascii: ",") where depth == 0: return try requireValue(since: start)
            default:
                position += 1
                continue
            }
            if depth == 0 { return }
        }
        guard depth == 0, position > start else { throw fault("the text ends inside a value") }
    }

    private func requireValue(since start: Int) throws(Fault) {
        guard position > start else { throw fault("a value should be here") }
    }

    // MARK: Bytes

    package var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    package var isAtObject: Bool { peek == UInt8(ascii: "{") }

    package var isAtArray: Bool { peek == UInt8(ascii: "[") }

    package var isAtString: Bool { peek == UInt8(ascii: "\"") }

    package var isAtNumber: Bool { peek.map { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) } ?? false }

    package mutating func skipBlanks() {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    package func fault(_ reason: String) -> Fault {
        Fault(JSONFault(reason: reason, offset: position), in: file)
    }

    /// Passes over the word, or refuses what stands there.
    package mutating func word(_ word: StaticString) throws(Fault) {
        guard take(word) else { throw fault("no value begins like this") }
    }

    /// Passes over the word if it stands here.
    package mutating func take(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count,
            (0..<count).allSatisfy({ bytes[position + $0] == word.utf8Start[$0] })
        else { return false }
        position += count
        return true
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func digits() throws(Fault) {
        let start = position
        while position < bytes.count, bytes[position] &- 0x30 < 10 { position += 1 }
        guard position > start else { throw fault("a digit should be here") }
    }

    private mutating func skipString() throws(Fault) {
        position += 1
        while position < bytes.count {
            let byte = bytes[position]
            guard byte >= 0x20 else { throw fault("a control character in a string must be escaped") }
            position += byte == UInt8(ascii: "\\") ? 2 : 1
            if byte == UInt8(ascii: "\"") { return }
        }
        position = bytes.count
        throw fault("the text ends inside a string")
    }

    // MARK: Escapes

    /// - Parameter start: where the string begins; the scanner is at its first escape.
    private mutating func escapedString(from start: Int) throws(Fault) -> [UInt8] {
        var content = Array(bytes[start..<position])
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return content
            case UInt8(ascii: "\\"):
                position += 1
                content += String(Character(try escape())).utf8
            case 0..<0x20: throw fault("a control character in a string must be escaped")
            default:
                content.append(byte)
                position += 1
            }
        }
        throw fault("the text ends inside a string")
    }

    private mutating func escape() throws(Fault) -> Unicode.Scalar {
        do throws(JSONEscape.Fault) {
            return try JSONEscape.scalar(in: bytes, at: &position)
        } catch {
            throw fault(error.reason)
        }
    }
}
