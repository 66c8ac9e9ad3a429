/// Why bytes are not JSON, and where.
package struct JSONFault: Error, Equatable, CustomStringConvertible {
    package let reason: String
    /// Bytes before the place.
    package let offset: Int

    package var description: String { "\(reason) at byte \(offset)" }
}

extension JSON {
    /// How much a reader takes. Text from outside is bounded before anything is made of it.
    package struct Limits: Sendable {
        package var bytes: Int
        /// Levels of arrays and objects.
        package var depth: Int

        /// A body of a request, a line of a manifest: the deepest has four levels.
        package static let request = Limits(bytes: 64 << 20, depth: 32)
        /// A file that describes a model.
        package static let file = Limits(bytes: 16 << 20, depth: 64)

        package init(bytes: Int, depth: Int) {
            self.bytes = bytes
            self.depth = depth
        }
    }

    /// Reads one value that fills the bytes. It refuses what readers do not agree on (a member given twice, a lone
    /// surrogate) and depths that no document has.
    /// - Throws: `JSONFault` with the reason and the place.
    package init(parsing bytes: [UInt8], limits: Limits = .request) throws(JSONFault) {
        guard bytes.count <= limits.bytes else {
            throw JSONFault(reason: "more than \(limits.bytes) bytes", offset: limits.bytes)
        }
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw JSONFault(reason: "the text is not UTF-8", offset: 0)
        }
        var parser = JSONParser(bytes: bytes, deepest: limits.depth)
        self = try parser.document()
    }
}

/// Reads bytes that are known to be UTF-8.
private struct JSONParser {
    private let bytes: [UInt8]
    private let deepest: Int
    private var position = 0

    init(bytes: [UInt8], deepest: Int) {
        self.bytes = bytes
        self.deepest = deepest
    }

    mutating func document() throws(JSONFault) -> JSON {
        skipBlanks()
        let value = try value(depth: 0)
        skipBlanks()
        guard position == bytes.count else { throw fault("there is more after the value") }
        return value
    }

    private mutating func value(depth: Int) throws(JSONFault) -> JSON {
        guard depth <= deepest else { throw fault("more than \(deepest) levels") }
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw fault("the text ends where a value should be")
        case let byte? where byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte): return .number(try number())
        default: throw fault("no value begins like this")
        }
    }

    private mutating func object(depth: Int) throws(JSONFault) -> JSON {
        position += 1
        var members: [JSON.Member] = []
        var names: Set<String> = []
        skipBlanks()
        if take(UInt8(ascii: "}")) { return .object([]) }
        while true {
            skipBlanks()
            guard peek == UInt8(ascii: "\"") else { throw fault("a name in quotes should be here") }
            let name = try string()
            guard names.insert(name).inserted else { throw fault("\"\(name.prefix(40))\" is given twice") }
            skipBlanks()
            guard take(UInt8(ascii: ":")) else { throw fault("a colon should be here") }
            skipBlanks()
            members.append(JSON.Member(name: name, value: try value(depth: depth + 1)))
            skipBlanks()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw fault("a comma or } should be here") }
        }
    }

    private mutating func array(depth: Int) throws(JSONFault) -> JSON {
        position += 1
        var elements: [JSON] = []
        skipBlanks()
        if take(UInt8(ascii: "]")) { return .array([]) }
        while true {
            skipBlanks()
            elements.append(try value(depth: depth + 1))
            skipBlanks()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw fault("a comma or ] should be here") }
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONFault) -> JSON {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count,
            (0..<count).allSatisfy({ bytes[position + $0] == word.utf8Start[$0] })
        else { throw fault("no value begins like this") }
        position += count
        return value
    }

    private mutating func number() throws(JSONFault) -> String {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func digits() throws(JSONFault) {
        let start = position
        while let byte = peek, (0x30...0x39).contains(byte) { position += 1 }
        guard position > start else { throw fault("a digit should be here") }
    }

    /// Text between escapes is taken as a whole: a string without any is made in one go.
    private mutating func string() throws(JSONFault) -> String {
        position += 1
        var content = ""
        var start = position
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                content += String(decoding: bytes[start..<position], as: UTF8.self)
                position += 1
                return content
            case UInt8(ascii: "\\"):
                content += String(decoding: bytes[start..<position], as: UTF8.self)
                position += 1
                content.unicodeScalars.append(try escape())
                start = position
            case 0..<0x20:
                position += 1
                throw fault("a control character in a string must be escaped")
            default: position += 1
            }
        }
        throw fault("the text ends inside a string")
    }

    private mutating func escape() throws(JSONFault) -> Unicode.Scalar {
        do throws(JSONEscape.Fault) {
            return try JSONEscape.scalar(in: bytes, at: &position)
        } catch {
            throw fault(error.reason)
        }
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipBlanks() {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private func fault(_ reason: String) -> JSONFault { JSONFault(reason: reason, offset: position) }
}
