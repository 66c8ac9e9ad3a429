import Support
import Tensor

/// The JSON header of a safetensors file, read where it lies: besides the tensors' names nothing is made of its text, so
/// that the longest header allowed takes no more memory than its tensors.
struct SafetensorsHeader {
    struct Entry {
        let name: String
        let type: ElementType
        let shape: [Int]
        /// The tensor's bytes in the data after the header.
        let range: Range<Int>
    }

    private(set) var metadata: [String: String] = [:]
    private(set) var entries: [Entry] = []

    /// The reference reader's own limit.
    static let longest = 100_000_000
    private static let mostTensors = 1 << 17
    private static let mostMetadata = 1 << 16
    private static let mostAxes = 32

    private let file: String
    private let dataBytes: Int

    /// - Parameters:
    ///   - json: the bytes of the header.
    ///   - dataBytes: bytes that come after it.
    /// - Throws: `WeightError.malformed` with the key or the byte of the file at fault.
    init(_ json: UnsafeRawBufferPointer, file: String, dataBytes: Int) throws(WeightError) {
        self.file = file
        self.dataBytes = dataBytes
        var reader = HeaderReader(json, file: file)
        reader.skipBlanks()
        guard reader.peek == UInt8(ascii: "{") else {
            throw reader.isAtValue ? Self.noObject(file) : reader.fault("a value should be here")
        }
        var names: Set<String> = []
        try reader.forEachMember { reader, name throws(WeightError) in
            guard names.insert(name).inserted else {
                throw WeightError.malformed(file: file, reason: "the header has \"\(name)\" twice")
            }
            if name == "__metadata__" {
                try readMetadata(&reader)
            } else {
                guard entries.count < Self.mostTensors else {
                    throw WeightError.malformed(
                        file: file, reason: "the header has more than \(Self.mostTensors) tensors, which no model needs"
                    )
                }
                entries.append(try entry(name, &reader))
            }
        }
        reader.skipBlanks()
        guard reader.peek == nil else { throw reader.fault("there is more after the value") }
    }

    private static func noObject(_ file: String) -> WeightError {
        .malformed(file: file, reason: "the header is not a JSON object")
    }

    private mutating func readMetadata(_ reader: inout HeaderReader) throws(WeightError) {
        let refusal = WeightError.malformed(file: file, reason: "__metadata__ is not a map of strings")
        guard reader.peek == UInt8(ascii: "{") else { throw refusal }
        try reader.forEachMember { reader, name throws(WeightError) in
            guard reader.peek == UInt8(ascii: "\"") else { throw refusal }
            guard metadata.count < Self.mostMetadata else {
                throw WeightError.malformed(
                    file: file, reason: "__metadata__ has more than \(Self.mostMetadata) entries")
            }
            metadata[name] = try reader.string()
        }
    }

    private func entry(_ name: String, _ reader: inout HeaderReader) throws(WeightError) -> Entry {
        func fail(_ what: String) -> WeightError { .malformed(file: file, reason: "\"\(name)\": \(what)") }
        guard let first = reader.peek else { throw reader.fault("the text ends where a value should be") }
        guard first == UInt8(ascii: "{") else { throw fail("not an object") }
        var dtype: String?
        var shape: [Int]?
        var offsets: [Int]?
        try reader.forEachMember { reader, field throws(WeightError) in
            switch field {
            case "dtype":
                guard reader.peek == UInt8(ascii: "\"") else { throw fail("no dtype") }
                dtype = try reader.string()
            case "shape":
                shape = try reader.integers(most: Self.mostAxes)
                if shape == nil {
                    throw fail("shape is not a list of at most \(Self.mostAxes) whole numbers >= 0")
                }
            case "data_offsets":
                offsets = try reader.integers(most: 2)
                if offsets?.count != 2 { throw fail("data_offsets is not a pair of whole numbers >= 0") }
            default: try reader.skipValue()
            }
        }
        guard let dtype else { throw fail("no dtype") }
        guard let type = ElementType(rawValue: dtype.lowercased()), type.blockElements == 1 else {
            throw fail("unknown dtype \"\(dtype)\"")
        }
        guard let shape else { throw fail("no shape") }
        guard let offsets else { throw fail("no data_offsets") }
        guard offsets[0] <= offsets[1], offsets[1] <= dataBytes else {
            throw fail("data_offsets \(offsets) do not lie in the \(dataBytes) bytes after the header")
        }
        var size = type.size
        for extent in shape {
            let (product, overflow) = size.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw fail("shape \(shape) is too large") }
            size = product
        }
        guard size == offsets[1] - offsets[0] else {
            throw fail("\(dtype) of shape \(shape) needs \(size) bytes, data_offsets span \(offsets[1] - offsets[0])")
        }
        return Entry(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
    }
}

/// Walks the JSON of a header (RFC 8259) byte by byte.
private struct HeaderReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private let file: String

    /// A tensor's name, or a value of the metadata, which may be a whole configuration.
    private static let longestString = 1 << 26

    init(_ bytes: UnsafeRawBufferPointer, file: String) {
        self.bytes = bytes
        self.file = file
    }

    var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// Whether something begins here that is JSON, though no object.
    var isAtValue: Bool {
        guard let peek else { return false }
        return "[\"-0123456789tfn".utf8.contains(peek)
    }

    func fault(_ reason: String) -> WeightError {
        // The header begins behind the eight bytes of its length.
        .malformed(file: file, reason: "the header is not JSON: \(reason), at byte \(8 + position)")
    }

    mutating func skipBlanks() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    /// Calls `body` with each name of the object that begins here; it takes the value.
    mutating func forEachMember(
        _ body: (_ reader: inout Self, _ name: String) throws(WeightError) -> Void
    ) throws(WeightError) {
        guard take(UInt8(ascii: "{")) else { throw fault("an object should be here") }
        skipBlanks()
        if take(UInt8(ascii: "}")) { return }
        while true {
            skipBlanks()
            let name = try string()
            skipBlanks()
            guard take(UInt8(ascii: ":")) else { throw fault("a colon should be here") }
            skipBlanks()
            try body(&self, name)
            skipBlanks()
            if take(UInt8(ascii: "}")) { return }
            guard take(UInt8(ascii: ",")) else { throw fault("a comma or } should be here") }
        }
    }

    mutating func string() throws(WeightError) -> String {
        let start = position + 1
        try skipString()
        let raw = bytes[start..<position - 1]
        guard raw.count <= Self.longestString else { throw fault("a string of \(raw.count) bytes is too long") }
        guard raw.contains(UInt8(ascii: "\\")) else {
            guard let text = String(validating: raw, as: UTF8.self) else { throw fault("a string is not UTF-8") }
            return text
        }
        let copy = [UInt8](raw)
        var content: [UInt8] = []
        var index = 0
        while index < copy.count {
            guard copy[index] == UInt8(ascii: "\\") else {
                content.append(copy[index])
                index += 1
                continue
            }
            index += 1
            do throws(JSONEscape.Fault) {
                content += String(Character(try JSONEscape.scalar(in: copy, at: &index))).utf8
            } catch {
                throw fault(error.reason)
            }
        }
        guard let text = String(validating: content, as: UTF8.self) else { throw fault("a string is not UTF-8") }
        return text
    }

    private mutating func skipString() throws(WeightError) {
        guard take(UInt8(ascii: "\"")) else { throw fault("a string should be here") }
        while let byte = peek {
            guard byte >= 0x20 else { throw fault("a control character in a string must be escaped") }
            position += byte == UInt8(ascii: "\\") ? 2 : 1
            if byte == UInt8(ascii: "\"") { return }
        }
        position = bytes.count
        throw fault("the text ends inside a string")
    }

    /// The list of whole numbers >= 0 that begins here; nil if it is something else or has more than `most`.
    mutating func integers(most: Int) throws(WeightError) -> [Int]? {
        let start = position
        guard take(UInt8(ascii: "[")) else {
            try skipValue()
            return nil
        }
        var values: [Int] = []
        skipBlanks()
        if take(UInt8(ascii: "]")) { return values }
        while values.count < most {
            skipBlanks()
            let digits = position
            var value = 0
            while let byte = peek, 0x30...0x39 ~= byte {
                let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, carry) = tens.addingReportingOverflow(Int(byte - 0x30))
                guard !overflow, !carry else { break }
                value = sum
                position += 1
            }
            guard position > digits, bytes[digits] != 0x30 || position == digits + 1 else { break }
            values.append(value)
            skipBlanks()
            if take(UInt8(ascii: "]")) { return values }
            guard take(UInt8(ascii: ",")) else { break }
        }
        position = start
        try skipValue()
        return nil
    }

    /// Passes over the value that begins here; of it only strings and brackets are looked at.
    mutating func skipValue() throws(WeightError) {
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
                if depth == 0 {
                    guard position > start else { throw fault("a value should be here") }
                    return
                }
                depth -= 1
                position += 1
            case UInt8(ascii: ",") where depth == 0:
                guard position > start else { throw fault("a value should be here") }
                return
            default:
                position += 1
                continue
            }
            if depth == 0 { return }
        }
        throw fault("the text ends inside a value")
    }
}
