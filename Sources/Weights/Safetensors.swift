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

    /// Maps the file and checks its header.
    /// - Throws: `WeightError` that names the file and the key or byte at fault.
    package init(path: String) throws(WeightError) { try self.init(MappedFile(path: path)) }

    init(_ file: MappedFile) throws(WeightError) {
        path = file.path
        guard file.bytes.count >= 8 else {
            throw .malformed(file: path, reason: "\(file.bytes.count) bytes are too few for a safetensors file")
        }
        let length = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
        guard length <= file.bytes.count - 8 else {
            throw .malformed(
                file: path,
                reason: "bytes 0-7 announce a header of \(length) bytes, the file has \(file.bytes.count - 8) left")
        }
        guard length <= SafetensorsHeader.longest else {
            throw .malformed(
                file: path,
                reason: "its header has \(length) bytes, at most \(SafetensorsHeader.longest) are read")
        }
        let end = 8 + Int(length)
        let dataBytes = file.bytes.count - end
        let header = try SafetensorsHeader(Array(file.bytes[..<end]), file: path, dataBytes: dataBytes)
        try Self.checkLayout(header.entries.map { ($0.name, $0.range) }, file: path, dataBytes: dataBytes)
        metadata = header.metadata
        tensors = Dictionary(
            uniqueKeysWithValues: header.entries.map { entry in
                let range = entry.range.lowerBound + end..<entry.range.upperBound + end
                let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
                return (
                    entry.name,
                    Weight(name: entry.name, type: entry.type, shape: entry.shape, bytes: bytes, owner: file)
                )
            })
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
