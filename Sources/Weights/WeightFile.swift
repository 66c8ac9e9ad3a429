import Support
import Tensor

/// One file of weights, opened: safetensors, GGUF or PyTorch's archive. Its first bytes say which it is, not its name.
struct WeightFile {
    let tensors: [String: Weight]
    let metadata: [String: String]
    /// Arrays of a GGUF file's metadata, vocabularies among them.
    let arrays: [String: GGUFArray]
    /// The size of the file itself, not of a link to it.
    let byteCount: Int

    /// - Throws: `WeightError` that names the file, and what it is where it is something else.
    init(path: String) throws(WeightError) {
        let file = try MappedFile(path: path)
        byteCount = file.bytes.count
        if file.bytes.starts(with: "GGUF".utf8) {
            let opened = try GGUF(file)
            tensors = opened.tensors
            metadata = opened.metadata.compactMapValues(\.text)
            arrays = opened.arrays
        } else if file.bytes.starts(with: TorchArchive.signature) {
            tensors = try TorchFile(file).tensors
            metadata = [:]
            arrays = [:]
        } else if let format = Self.foreignFormat(file) {
            throw .malformed(file: path, reason: "it is \(format), expected safetensors or GGUF")
        } else {
            let opened = try Safetensors(file)
            tensors = opened.tensors
            metadata = opened.metadata
            arrays = [:]
        }
    }

    /// Files that are taken for weights now and then, by their first bytes.
    private static func foreignFormat(_ file: MappedFile) -> String? {
        let bytes = file.bytes
        // Safetensors: a header's length, then the opening brace of its JSON.
        if bytes.count > 8, bytes[8] == UInt8(ascii: "{") { return nil }
        if let foreign = ForeignFile.description(of: bytes.prefix(ForeignFile.looked)) { return foreign }
        if bytes.first == 0x80, bytes.count > 1, 2...5 ~= bytes[1] {
            return "a Python pickle, as PyTorch wrote .pth and .ckpt before version 1.6 (\(TorchFile.advice))"
        }
        if bytes.count > 512, bytes[257..<262].elementsEqual("ustar".utf8) {
            return "a tar archive, as the first versions of PyTorch wrote (\(TorchFile.advice))"
        }
        if bytes.first == UInt8(ascii: "{") { return "JSON text" }
        // What a server answers instead of a file: `Entry not found`, `Invalid credentials`.
        if bytes.count < 512, bytes.allSatisfy({ (0x20...0x7E).contains($0) || (0x09...0x0D).contains($0) }) {
            let text = String(decoding: bytes.prefix(80), as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
            return "text (\"\(text)\")"
        }
        return nil
    }
}
