import Tensor

/// A file that `torch.save` wrote (.pth, .pt, .ckpt, .bin): a zip archive of a pickle that describes the tensors and of their
/// bytes, which are mapped where they lie.
package struct TorchFile {
    package let tensors: [String: Weight]

    /// What to do with a file of PyTorch that is not read.
    static let advice =
        "look for the same weights as safetensors: most are published so too, by the authors or repackaged"

    /// Names under which training tools put a network's tensors, in the order of preference.
    private static let groups = ["state_dict", "model_state", "model", "module", "params_ema", "params", "ema"]
    /// Dictionaries within dictionaries.
    private static let deepest = 4

    init(_ file: MappedFile) throws(WeightError) {
        try self.init(file.bytes, owner: file, path: file.path)
    }

    /// - Throws: `WeightError` that names what else than tensors the file has.
    package init(_ bytes: UnsafeRawBufferPointer, owner: AnyObject, path: String) throws(WeightError) {
        let archive = try TorchArchive(bytes, path: path)
        let names = archive.packed.union(archive.entries.keys)
        let pickles = names.filter { $0.hasSuffix("/data.pkl") && !$0.dropLast(9).contains("/") }
        guard let name = pickles.min() else {
            throw .unsupported(
                file: path, reason: "it is a zip archive without the data.pkl of PyTorch; \(Self.advice)")
        }
        let root = String(name.dropLast("data.pkl".count))
        if names.contains(where: { $0 == root + "constants.pkl" || $0.hasPrefix(root + "code/") }) {
            throw .unsupported(
                file: path, reason: "it is a TorchScript program, and nothing in it is run here; \(Self.advice)")
        }
        guard let place = archive.entries[name], archive.packed.isEmpty else {
            throw .unsupported(
                file: path,
                reason: "\"\(archive.packed.min() ?? name)\" is compressed or encrypted, as nothing in an archive of "
                    + "PyTorch is; \(Self.advice)")
        }
        if let order = archive.entries[root + "byteorder"], !bytes[order].elementsEqual("little".utf8) {
            throw .unsupported(file: path, reason: "its tensors are big-endian; \(Self.advice)")
        }
        let pickle = UnsafeRawBufferPointer(rebasing: bytes[place])
        let described: [String: PickledTensor]
        do throws(TensorPickle.Fault) {
            described = try TensorPickle.read(pickle) { value throws(TensorPickle.Fault) in try Self.network(value) }
        } catch {
            throw error.isForeign
                ? .unsupported(file: path, reason: "\(error.reason); \(Self.advice)")
                : .malformed(file: path, reason: error.reason)
        }
        var tensors: [String: Weight] = [:]
        for (key, tensor) in described {
            tensors[key] = try Self.weight(key, tensor, in: archive, root: root, bytes, owner: owner, path: path)
        }
        self.tensors = tensors
    }

    // MARK: Which tensors

    /// The tensors of a network: those of the dictionary itself, or of the one in it that holds some.
    private static func network(_ value: PickledValue) throws(TensorPickle.Fault) -> [String: PickledTensor] {
        var level = [value]
        // A dictionary may be in others any number of times, also in itself.
        var seen: Set<ObjectIdentifier> = []
        for _ in 0..<deepest {
            var next: [(name: String, value: PickledValue)] = []
            for value in level {
                guard case .dictionary(let items) = value, seen.insert(ObjectIdentifier(items)).inserted else {
                    continue
                }
                let pairs = stride(from: 0, to: items.values.count - 1, by: 2).compactMap { index in
                    items.values[index].text.map { (name: $0, value: items.values[index + 1]) }
                }
                var found: [String: PickledTensor] = [:]
                for (name, value) in pairs {
                    if case .tensor(let tensor) = value { found[name] = tensor }
                }
                if !found.isEmpty { return found }
                next += pairs.filter { if case .dictionary = $0.value { true } else { false } }
            }
            let rank = { (name: String) in groups.firstIndex(of: name) ?? groups.count }
            level = next.sorted { (rank($0.name), $0.name) < (rank($1.name), $1.name) }.map(\.value)
        }
        throw TensorPickle.Fault(reason: "no tensors are in it, but \(value.kind) without any", isForeign: true)
    }

    // MARK: Where they lie

    private static func weight(
        _ key: String, _ tensor: PickledTensor, in archive: TorchArchive, root: String, _ bytes: UnsafeRawBufferPointer,
        owner: AnyObject, path: String
    ) throws(WeightError) -> Weight {
        func fail(_ what: String) -> WeightError { .malformed(file: path, reason: "\"\(key)\": \(what)") }
        let name = tensor.dtype ?? tensor.storage.type
        guard let type = ElementType(torch: name) else {
            throw .unsupported(
                file: path, reason: "\"\(key)\" is of the type \(name.replacing(" ", with: ".")), which is not read")
        }
        let entry = "\(root)data/\(tensor.storage.key)"
        guard let range = archive.entries[entry] else { throw fail("the archive has no \"\(entry)\"") }
        var count = 1
        for extent in tensor.shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw fail("shape \(tensor.shape) is too large") }
            count = product
        }
        guard count == 0 || isRowMajor(tensor.shape, tensor.strides) else {
            throw .unsupported(
                file: path,
                reason: "\"\(key)\" of shape \(tensor.shape) is stored with strides \(tensor.strides), not row by row; "
                    + advice)
        }
        let elements = range.count / type.size
        guard tensor.offset <= elements, count <= elements - tensor.offset else {
            throw fail("\(count) elements from \(tensor.offset) are more than \"\(entry)\" has, \(elements)")
        }
        let start = range.lowerBound + tensor.offset * type.size
        let part = UnsafeRawBufferPointer(rebasing: bytes[start..<start + count * type.size])
        return Weight(name: key, type: type, shape: tensor.shape, bytes: part, owner: owner)
    }

    private static func isRowMajor(_ shape: [Int], _ strides: [Int]) -> Bool {
        var expected = 1
        for (extent, stride) in zip(shape, strides).reversed() where extent != 1 {
            guard stride == expected else { return false }
            expected *= extent
        }
        return true
    }
}

extension ElementType {
    private static let torchNames: [String: ElementType] = [
        "torch DoubleStorage": .f64, "torch FloatStorage": .f32, "torch HalfStorage": .f16,
        "torch BFloat16Storage": .bf16, "torch LongStorage": .i64, "torch IntStorage": .i32, "torch ShortStorage": .i16,
        "torch CharStorage": .i8, "torch ByteStorage": .u8, "torch BoolStorage": .bool,
        "torch float64": .f64, "torch float32": .f32, "torch float16": .f16, "torch bfloat16": .bf16,
        "torch float8_e4m3fn": .e4m3, "torch float8_e5m2": .e5m2, "torch int64": .i64, "torch int32": .i32,
        "torch int16": .i16, "torch int8": .i8, "torch uint8": .u8, "torch uint16": .u16, "torch uint32": .u32,
        "torch uint64": .u64, "torch bool": .bool,
    ]

    /// The type that PyTorch calls so, as a storage's class or as a dtype.
    package init?(torch name: String) {
        guard let type = Self.torchNames[name] else { return nil }
        self = type
    }
}
