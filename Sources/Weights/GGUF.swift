import Tensor

/// A GGUF file, version 2 or 3: metadata and tensor infos, then the tensors' bytes at aligned offsets, in types that may
/// be quantised in blocks. Format: github.com/ggml-org/ggml, docs/gguf.md.
///
/// Everything the header claims is held against the file before a tensor is handed out.
package struct GGUF: Sendable {
    package let path: String
    package let tensors: [String: Weight]
    package let metadata: [String: GGUFValue]
    /// The arrays of the metadata that are not kept as values, by key.
    package let arrays: [String: GGUFArray]

    /// - Throws: `WeightError.malformed` that names the file and the tensor or byte at fault.
    package init(_ file: MappedFile) throws(WeightError) {
        let header = try GGUFHeader(file)
        let start = header.end.aligned(to: header.alignment)
        let dataBytes = max(file.bytes.count - start, 0)
        var entries: [(name: String, type: ElementType, shape: [Int], range: Range<Int>)] = []
        for info in header.tensors {
            let size = try Self.bytes(of: info, file: file.path)
            guard let offset = Int(exactly: info.offset), offset <= dataBytes, size <= dataBytes - offset else {
                throw .malformed(
                    file: file.path,
                    reason: "\"\(info.name)\" takes \(size) bytes from offset \(info.offset) of the data, which has "
                        + "\(dataBytes): the file is truncated or the offset wrong")
            }
            let shape = try Self.originalShape(of: info, header.metadata, file: file.path)
            entries.append((info.name, info.type, shape, start + offset..<start + offset + size))
        }
        try Self.checkLayout(
            entries.map { ($0.name, $0.range) }, alignment: header.alignment, headerEnd: header.end, file: file)

        path = file.path
        metadata = header.metadata
        arrays = header.arrays
        tensors = Dictionary(
            uniqueKeysWithValues: entries.map { entry in
                let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
                return (
                    entry.name,
                    Weight(name: entry.name, type: entry.type, shape: entry.shape, bytes: bytes, owner: file)
                )
            })
    }

    private static func bytes(of info: GGUFHeader.TensorInfo, file: String) throws(WeightError) -> Int {
        let row = info.shape.last ?? 1
        guard row % info.type.blockElements == 0 else {
            throw .malformed(
                file: file,
                reason: "\"\(info.name)\": rows of \(row) are not whole blocks of \(info.type.blockElements) as "
                    + "\(info.type.rawValue) has them")
        }
        var size = info.type.size
        for extent in info.shape.dropLast() + [row / info.type.blockElements] {
            let (product, overflow) = size.multipliedReportingOverflow(by: extent)
            guard !overflow else {
                throw .malformed(file: file, reason: "\"\(info.name)\": shape \(info.shape) is too large")
            }
            size = product
        }
        return size
    }

    /// Tensors of more axes than a tool could write are flattened; their shape then stands in the metadata
    /// (github.com/city96/ComfyUI-GGUF).
    private static func originalShape(
        of info: GGUFHeader.TensorInfo, _ metadata: [String: GGUFValue], file: String
    ) throws(WeightError) -> [Int] {
        let key = "comfy.gguf.orig_shape.\(info.name)"
        guard let value = metadata[key] else { return info.shape }
        guard case .integers(let shape) = value, shape.allSatisfy({ $0 > 0 }),
            product(shape) == product(info.shape), (shape.last ?? 1) % info.type.blockElements == 0
        else {
            throw .malformed(
                file: file, reason: "\(key) is no shape that \(info.type.rawValue) values of \(info.shape) can take")
        }
        return shape
    }

    /// nil if it does not fit an Int.
    private static func product(_ shape: [Int]) -> Int? {
        shape.reduce(1) { product, extent in
            let (value, overflow) = (product ?? 0).multipliedReportingOverflow(by: extent)
            return overflow || product == nil ? nil : value
        }
    }

    /// Each tensor begins at the first aligned offset after the one before it, and the last one ends the file.
    private static func checkLayout(
        _ ranges: [(name: String, range: Range<Int>)], alignment: Int, headerEnd: Int, file: MappedFile
    ) throws(WeightError) {
        var end = headerEnd
        var previous = "the header"
        let ordered = ranges.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        for (name, range) in ordered {
            let expected = end.aligned(to: alignment)
            guard range.lowerBound == expected else {
                throw .malformed(
                    file: file.path,
                    reason: "\"\(name)\" begins at byte \(range.lowerBound), "
                        + (range.lowerBound < end
                            ? "within \(previous), which it overlaps"
                            : "expected \(expected), aligned after \(previous)"))
            }
            end = range.upperBound
            previous = "\"\(name)\""
        }
        guard file.bytes.count - end < alignment || ordered.isEmpty else {
            throw .malformed(
                file: file.path, reason: "\(file.bytes.count - end) bytes after \(previous) belong to no tensor")
        }
    }
}

extension Int {
    /// The next multiple of `alignment`, which is a power of two, for numbers far from the largest.
    func aligned(to alignment: Int) -> Int { (self + alignment - 1) & ~(alignment - 1) }
}
