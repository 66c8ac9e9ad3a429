import Support
import Tensor

/// The JSON header of a safetensors file. Besides the tensors' names nothing is made of its text, so that the longest header
/// allowed takes no more memory than its bytes and its tensors.
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
    ///   - bytes: the file from its first byte to the end of the header.
    ///   - dataBytes: bytes that come after them.
    /// - Throws: `WeightError.malformed` with the key or the byte of the file at fault.
    init(_ bytes: [UInt8], file: String, dataBytes: Int) throws(WeightError) {
        self.file = file
        self.dataBytes = dataBytes
        // The header begins behind the eight bytes of its length.
        var scanner = JSONScanner<WeightError>(bytes, at: 8, file: file)
        scanner.skipBlanks()
        guard scanner.isAtObject else {
            let isValue = scanner.peek.map("[\"-0123456789tfn".utf8.contains) ?? false
            throw isValue
                ? .malformed(file: file, reason: "the header is not a JSON object")
                : scanner.fault("a value should be here")
        }
        var names: Set<String> = []
        try scanner.forEachMember { scanner, key throws(WeightError) in
            let name = try scanner.text(of: key)
            guard names.insert(name).inserted else {
                throw WeightError.malformed(file: file, reason: "the header has \"\(name)\" twice")
            }
            if name == "__metadata__" {
                try readMetadata(&scanner)
            } else {
                guard entries.count < Self.mostTensors else {
                    throw WeightError.malformed(
                        file: file, reason: "the header has more than \(Self.mostTensors) tensors, which no model needs"
                    )
                }
                entries.append(try entry(name, &scanner))
            }
        }
        scanner.skipBlanks()
        guard scanner.peek == nil else { throw scanner.fault("there is more after the value") }
    }

    private mutating func readMetadata(_ scanner: inout JSONScanner<WeightError>) throws(WeightError) {
        let refusal = WeightError.malformed(file: file, reason: "__metadata__ is not a map of strings")
        guard scanner.isAtObject else { throw refusal }
        try scanner.forEachMember { scanner, key throws(WeightError) in
            let name = try scanner.text(of: key)
            guard scanner.isAtString else { throw refusal }
            guard metadata.count < Self.mostMetadata else {
                throw WeightError.malformed(
                    file: file, reason: "__metadata__ has more than \(Self.mostMetadata) entries")
            }
            metadata[name] = try scanner.text()
        }
    }

    private func entry(_ name: String, _ scanner: inout JSONScanner<WeightError>) throws(WeightError) -> Entry {
        func fail(_ what: String) -> WeightError { .malformed(file: file, reason: "\"\(name)\": \(what)") }
        guard scanner.peek != nil else { throw scanner.fault("the text ends where a value should be") }
        guard scanner.isAtObject else { throw fail("not an object") }
        var dtype: String?
        var shape: [Int]?
        var offsets: [Int]?
        try scanner.forEachMember { scanner, field throws(WeightError) in
            switch String(decoding: field, as: UTF8.self) {
            case "dtype":
                guard scanner.isAtString else { throw fail("no dtype") }
                dtype = try scanner.text()
            case "shape":
                shape = try scanner.integers(most: Self.mostAxes)
                if shape == nil {
                    throw fail("shape is not a list of at most \(Self.mostAxes) whole numbers >= 0")
                }
            case "data_offsets":
                offsets = try scanner.integers(most: 2)
                if offsets?.count != 2 { throw fail("data_offsets is not a pair of whole numbers >= 0") }
            default: try scanner.skipValue()
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

// MARK: JSON

extension WeightError: JSONSyntaxError {
    package init(_ fault: JSONFault, in file: String) {
        self = .malformed(file: file, reason: "the header is not JSON: \(fault.reason), at byte \(fault.offset)")
    }
}

extension JSONScanner<WeightError> {
    /// A tensor's name, or a value of the metadata, which may be a whole configuration.
    private static let longestString = 1 << 26

    fileprivate mutating func text() throws(WeightError) -> String { try text(of: string()) }

    fileprivate func text(of bytes: ArraySlice<UInt8>) throws(WeightError) -> String {
        guard bytes.count <= Self.longestString else { throw fault("a string of \(bytes.count) bytes is too long") }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw fault("a string is not UTF-8") }
        return text
    }

    /// The list of whole numbers >= 0 that begins here; nil if it is something else or has more than `most`.
    fileprivate mutating func integers(most: Int) throws(WeightError) -> [Int]? {
        guard isAtArray else {
            try skipValue()
            return nil
        }
        var values: [Int]? = []
        try forEachElement { scanner throws(WeightError) in
            guard scanner.isAtNumber else {
                try scanner.skipValue()
                return values = nil
            }
            let number = try scanner.number()
            guard let count = values?.count, count < most, let value = Self.whole(number) else { return values = nil }
            values?.append(value)
        }
        return values
    }

    /// Digits alone: a sign, a point or an exponent is no whole number here.
    private static func whole(_ number: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for byte in number {
            guard byte &- 0x30 < 10 else { return nil }
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(byte &- 0x30))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        return value
    }
}
