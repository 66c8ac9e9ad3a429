import Foundation
import Tensor

/// A safetensors file: an 8-byte little-endian header length, a JSON header, then the tensors' bytes without gaps.
/// Format: github.com/huggingface/safetensors, "Format".
///
/// Everything the header claims is held against the file before a tensor is handed out.
package struct Safetensors: Sendable {
    package let path: String
    package let tensors: [String: Weight]
    /// The header's `__metadata__`, e.g. adapter settings.
    package let metadata: [String: String]

    /// The reference reader's own limit.
    private static let longestHeader = 100_000_000

    /// Maps the file and checks its header.
    /// - Throws: `WeightError` that names the file and the key or byte at fault.
    package init(path: String) throws(WeightError) { try self.init(MappedFile(path: path)) }

    init(_ file: MappedFile) throws(WeightError) {
        let path = file.path
        let header = try Self.header(of: file)
        var metadata: [String: String] = [:]
        var entries: [(name: String, type: ElementType, shape: [Int], range: Range<Int>)] = []
        for (name, value) in header.fields {
            if name == "__metadata__" {
                guard let strings = value as? [String: String] else {
                    throw .malformed(file: path, reason: "__metadata__ is not a map of strings")
                }
                metadata = strings
                continue
            }
            entries.append(try Self.entry(name, value, file: path, dataBytes: file.bytes.count - header.end))
        }
        try Self.checkLayout(entries.map { ($0.name, $0.range) }, file: path, dataBytes: file.bytes.count - header.end)

        self.path = path
        self.metadata = metadata
        self.tensors = Dictionary(
            uniqueKeysWithValues: entries.map { entry in
                let range = entry.range.lowerBound + header.end..<entry.range.upperBound + header.end
                let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
                return (
                    entry.name,
                    Weight(name: entry.name, type: entry.type, shape: entry.shape, bytes: bytes, owner: file)
                )
            })
    }

    private static func header(of file: MappedFile) throws(WeightError) -> (fields: [String: Any], end: Int) {
        let path = file.path
        guard file.bytes.count >= 8 else {
            throw .malformed(file: path, reason: "\(file.bytes.count) bytes are too few for a safetensors file")
        }
        let length = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
        guard length <= longestHeader, Int(length) <= file.bytes.count - 8 else {
            throw .malformed(
                file: path,
                reason: "bytes 0-7 announce a header of \(length) bytes, the file has \(file.bytes.count - 8) left")
        }
        let end = 8 + Int(length)
        let fields: Any
        do {
            fields = try JSONSerialization.jsonObject(with: Data(file.bytes[8..<end]))
        } catch {
            throw .malformed(file: path, reason: "the header (bytes 8-\(end - 1)) is not JSON: \(reason(error))")
        }
        guard let fields = fields as? [String: Any] else {
            throw .malformed(file: path, reason: "the header (bytes 8-\(end - 1)) is not a JSON object")
        }
        return (fields, end)
    }

    /// Foundation's own wording of a JSON error says where it is.
    private static func reason(_ error: any Error) -> String {
        (error as NSError).userInfo["NSDebugDescription"] as? String ?? error.localizedDescription
    }

    private static func entry(
        _ name: String, _ value: Any, file: String, dataBytes: Int
    ) throws(WeightError) -> (name: String, type: ElementType, shape: [Int], range: Range<Int>) {
        func fail(_ what: String) -> WeightError { .malformed(file: file, reason: "\"\(name)\": \(what)") }
        guard let fields = value as? [String: Any] else { throw fail("not an object") }
        guard let dtype = fields["dtype"] as? String else { throw fail("no dtype") }
        guard let type = ElementType(rawValue: dtype.lowercased()), type.blockElements == 1 else {
            throw fail("unknown dtype \"\(dtype)\"")
        }
        guard let shape = integers(fields["shape"]) else { throw fail("shape is not a list of whole numbers >= 0") }
        guard let offsets = integers(fields["data_offsets"]), offsets.count == 2 else {
            throw fail("data_offsets is not a pair of whole numbers >= 0")
        }
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
        return (name, type, shape, offsets[0]..<offsets[1])
    }

    /// Whole numbers >= 0 that fit an Int; JSON booleans and fractions are refused.
    private static func integers(_ value: Any?) -> [Int]? {
        guard let list = value as? [Any] else { return nil }
        var result: [Int] = []
        for item in list {
            // In Swift the numbers 0 and 1 pass for booleans; only the type of the object tells them apart.
            guard let object = item as? NSNumber, String(cString: object.objCType) != "c",
                let number = item as? Int, number >= 0
            else { return nil }
            result.append(number)
        }
        return result
    }

    /// The format allows neither overlaps nor holes.
    private static func checkLayout(
        _ ranges: [(name: String, range: Range<Int>)], file: String, dataBytes: Int
    ) throws(WeightError) {
        var end = 0
        var previous = "the header"
        let ordered = ranges.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        for (name, range) in ordered {
            guard range.lowerBound == end else {
                let what = range.lowerBound < end ? "overlaps" : "leaves \(range.lowerBound - end) bytes unused after"
                throw .malformed(file: file, reason: "\"\(name)\" \(what) \(previous)")
            }
            end = range.upperBound
            previous = "\"\(name)\""
        }
        guard end == dataBytes else {
            throw .malformed(file: file, reason: "\(dataBytes - end) bytes after \(previous) belong to no tensor")
        }
    }
}
