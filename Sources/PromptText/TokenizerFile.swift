import Foundation
import Support

/// A `tokenizer.json`, the vocabulary and the merges apart from the rest: these two are nearly all of it, and a generic
/// decoder takes most of a second to make strings of them.
struct TokenizerFile {
    let name: String
    private let bytes: [UInt8]
    /// Where the large values of `model` lie, by name.
    private let large: [String: Range<Int>]

    private static let largeNames = ["vocab", "merges"]

    /// - Throws: `TextError.unreadable`.
    init(at url: URL) throws(TextError) {
        try self.init(JSONFile.bytes(at: url), named: url.path)
    }

    /// - Parameter name: what errors call the file.
    init(_ bytes: [UInt8], named name: String) throws(TextError) {
        try JSONFile.requireUTF8(bytes, in: name)
        self.name = name
        self.bytes = bytes
        var large: [String: Range<Int>] = [:]
        var scanner = TextScanner(bytes, file: name)
        scanner.skipBlanks()
        if scanner.isAtObject {
            try scanner.forEachMember { scanner, key throws(TextError) in
                guard key.elementsEqual("model".utf8), scanner.isAtObject else {
                    return try scanner.skipValue()
                }
                try scanner.forEachMember { scanner, key throws(TextError) in
                    let start = scanner.position
                    try scanner.skipValue()
                    guard let key = Self.largeNames.first(where: { key.elementsEqual($0.utf8) }) else { return }
                    // Two would have to be cut out, and readers do not agree which one counts.
                    guard large.updateValue(start..<scanner.position, forKey: key) == nil else {
                        throw .invalid(file: name, field: "model.\(key)", reason: "is given twice")
                    }
                }
            }
        }
        self.large = large
    }

    /// Decodes the file as if the large values were null.
    func decodeRest<Value: Decodable>(_ type: Value.Type) throws(TextError) -> Value {
        var rest = Data()
        var position = 0
        for range in large.values.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            rest.append(contentsOf: bytes[position..<range.lowerBound])
            rest.append(contentsOf: "null".utf8)
            position = range.upperBound
        }
        rest.append(contentsOf: bytes[position...])
        return try JSONFile.decode(type, from: rest, named: name)
    }

    /// Reads a large value by `read`, which is given a scanner where it begins and its path in the file.
    func readLarge<Value>(
        _ key: String, _ read: (_ scanner: inout TextScanner, _ field: String) throws(TextError) -> Value
    ) throws(TextError) -> Value {
        let field = "model.\(key)"
        guard let range = large[key] else { throw .invalid(file: name, field: field, reason: "is missing") }
        var scanner = TextScanner(bytes, at: range.lowerBound, file: name)
        let value = try read(&scanner, field)
        // Brackets that do not match: the value ends elsewhere than it seemed to when it was cut out.
        guard scanner.position == range.upperBound else { throw scanner.fault("the value does not end here") }
        return value
    }
}
