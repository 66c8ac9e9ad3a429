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
        /// Whether `Infinity`, `-Infinity` and `NaN` count as numbers, which JSON does not have and Python writes.
        package var hasPythonNumbers: Bool

        /// A body of a request, a line of a manifest: the deepest has four levels.
        package static let request = Limits(bytes: 64 << 20, depth: 32)
        /// A file that describes a model. diffusers' schedulers save bounds that are none as `-Infinity`.
        package static let file = Limits(bytes: 16 << 20, depth: 64, hasPythonNumbers: true)

        package init(bytes: Int, depth: Int, hasPythonNumbers: Bool = false) {
            self.bytes = bytes
            self.depth = depth
            self.hasPythonNumbers = hasPythonNumbers
        }
    }

    /// Reads one value that fills the bytes. It refuses what readers do not agree on (a member given twice, a lone
    /// surrogate) and depths that no document has. A byte order mark before it, as editors and shells of Windows write, is passed
    /// over.
    /// - Throws: `JSONFault` with the reason and the place.
    package init(parsing bytes: [UInt8], limits: Limits = .request) throws(JSONFault) {
        guard bytes.count <= limits.bytes else {
            throw JSONFault(reason: "more than \(limits.bytes) bytes", offset: limits.bytes)
        }
        guard String(validating: bytes, as: UTF8.self) != nil else {
            // Repaired text goes apart from the bytes where they are wrong.
            let place = zip(bytes, String(decoding: bytes, as: UTF8.self).utf8).prefix { $0 == $1 }.count
            throw JSONFault(reason: "the text is not UTF-8", offset: place)
        }
        var parser = JSONParser(bytes: bytes, limits: limits)
        self = try parser.document()
    }
}

extension JSONFault: JSONSyntaxError {
    package init(_ fault: JSONFault, in file: String) { self = fault }
}

/// Makes values of bytes that are known to be UTF-8.
private struct JSONParser {
    private var scanner: JSONScanner<JSONFault>
    private let limits: JSON.Limits

    init(bytes: [UInt8], limits: JSON.Limits) {
        scanner = JSONScanner(bytes, at: bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0)
        self.limits = limits
    }

    mutating func document() throws(JSONFault) -> JSON {
        scanner.skipBlanks()
        let value = try Self.value(&scanner, depth: 0, limits)
        scanner.skipBlanks()
        guard scanner.peek == nil else { throw scanner.fault("there is more after the value") }
        return value
    }

    private static let pythonNumbers: [StaticString] = ["-Infinity", "Infinity", "NaN"]

    private static func value(
        _ scanner: inout JSONScanner<JSONFault>, depth: Int, _ limits: JSON.Limits
    ) throws(JSONFault) -> JSON {
        guard depth <= limits.depth else { throw scanner.fault("more than \(limits.depth) levels") }
        if limits.hasPythonNumbers {
            for word in pythonNumbers where scanner.take(word) { return .number("\(word)") }
        }
        switch scanner.peek {
        case UInt8(ascii: "{"):
            var members: [JSON.Member] = []
            var names: Set<String> = []
            try scanner.forEachMember { scanner, bytes throws(JSONFault) in
                let name = String(decoding: bytes, as: UTF8.self)
                guard names.insert(name).inserted else {
                    throw scanner.fault("\"\(name.prefix(40))\" is given twice")
                }
                members.append(
                    JSON.Member(name: name, value: try value(&scanner, depth: depth + 1, limits)))
            }
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSON] = []
            try scanner.forEachElement { scanner throws(JSONFault) in
                elements.append(try value(&scanner, depth: depth + 1, limits))
            }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(String(decoding: try scanner.string(), as: UTF8.self))
        case UInt8(ascii: "t"):
            try scanner.word("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try scanner.word("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try scanner.word("null")
            return .null
        case nil: throw scanner.fault("the text ends where a value should be")
        case _? where scanner.isAtNumber:
            return .number(String(decoding: try scanner.number(), as: UTF8.self))
        default: throw scanner.fault("no value begins like this")
        }
    }
}
