import Foundation
import Tensor

/// The tensors of one component, from a single safetensors or GGUF file or from shards that an index names.
package struct Checkpoint: Sendable {
    /// The folder or file, for messages.
    package let path: String
    package let tensors: [String: Weight]
    package let metadata: [String: String]
    /// The files that were mapped, with their sizes in bytes.
    package let files: [(path: String, bytes: Int)]
    /// nil where nothing came with the weights, as with most single files.
    package private(set) var configuration: Configuration?

    /// The `config.json` of a component.
    package struct Configuration: Sendable {
        /// Under which a single file carries it in its metadata.
        package static let metadataKey = "phasor.config"

        package let json: Data
        /// Where it was found, for messages.
        package let source: String

        package init(json: Data, source: String) {
            self.json = json
            self.source = source
        }
    }

    /// Opens a component folder or a single file.
    package init(path: String) throws(WeightError) {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            try self.init(folder: path)
        } else {
            try self.init(file: path)
        }
    }

    /// Opens one safetensors or GGUF file; its first bytes say which it is, not its name.
    package init(file: String) throws(WeightError) {
        let mapped = try MappedFile(path: file)
        if mapped.bytes.starts(with: "GGUF".utf8) {
            let opened = try GGUF(mapped)
            try self.init(
                path: file, tensors: opened.tensors, metadata: opened.metadata.compactMapValues(\.text), files: [file])
        } else if let format = Self.foreignFormat(mapped) {
            throw .malformed(file: file, reason: "it is \(format), expected safetensors or GGUF")
        } else {
            let opened = try Safetensors(mapped)
            try self.init(path: file, tensors: opened.tensors, metadata: opened.metadata, files: [file])
        }
    }

    /// Files that are taken for weights now and then, by their first bytes.
    private static func foreignFormat(_ file: MappedFile) -> String? {
        // Safetensors: a header's length, then the opening brace of its JSON.
        if file.bytes.count > 8, file.bytes[8] == UInt8(ascii: "{") { return nil }
        let signatures: [(bytes: [UInt8], name: String)] = [
            (Array("PK\u{3}\u{4}".utf8), "a PyTorch archive (.pth, .ckpt) or another zip file"),
            ([0x80, 0x02], "a Python pickle (.pth, .ckpt)"),
            (Array("version https://git-lfs".utf8), "a Git LFS pointer: the file itself was never downloaded"),
            (Array("<".utf8), "a web page: the download went wrong"),
            (Array("{".utf8), "JSON text"),
        ]
        return signatures.first { file.bytes.starts(with: $0.bytes) }?.name
    }

    /// Opens a component folder as diffusers and transformers write it: `STEM.safetensors`, or
    /// `STEM.safetensors.index.json` and its shards, with STEM `diffusion_pytorch_model` or `model`.
    package init(folder: String) throws(WeightError) {
        let files = FileManager.default
        for stem in ["diffusion_pytorch_model", "model"] {
            let single = "\(folder)/\(stem).safetensors"
            let index = single + ".index.json"
            if files.fileExists(atPath: index) {
                try self.init(folder: folder, index: index)
                return
            }
            if files.fileExists(atPath: single) {
                let opened = try Safetensors(path: single)
                try self.init(path: folder, tensors: opened.tensors, metadata: opened.metadata, files: [single])
                return
            }
        }
        throw .unreadable(
            file: folder,
            reason: files.fileExists(atPath: folder)
                ? "it holds neither diffusion_pytorch_model.safetensors nor model.safetensors, nor their .index.json"
                : "no such folder")
    }

    private init(folder: String, index: String) throws(WeightError) {
        struct Index: Decodable {
            let weightMap: [String: String]
            enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
        }
        let map: [String: String]
        do {
            map = try JSONDecoder().decode(Index.self, from: Data(contentsOf: URL(fileURLWithPath: index))).weightMap
        } catch {
            throw .malformed(file: index, reason: "not an index with a \"weight_map\" of strings")
        }
        var tensors: [String: Weight] = [:]
        let names = Set(map.values).sorted()
        for name in names {
            guard !name.contains("/") else {
                throw .malformed(file: index, reason: "shard name \"\(name)\" is not a plain file name")
            }
            let path = "\(folder)/\(name)"
            guard FileManager.default.fileExists(atPath: path) else {
                throw .missingFile(file: path, namedBy: index)
            }
            let shard = try Safetensors(path: path)
            for (key, tensor) in shard.tensors where map[key] == name { tensors[key] = tensor }
        }
        for (key, shard) in map.sorted(by: { $0.key < $1.key }) where tensors[key] == nil {
            throw .missingTensor(key: key, source: "\(folder)/\(shard)")
        }
        try self.init(path: folder, tensors: tensors, metadata: [:], files: names.map { "\(folder)/\($0)" })
    }

    private init(
        path: String, tensors: [String: Weight], metadata: [String: String], files: [String]
    ) throws(WeightError) {
        self.path = path
        self.tensors = try ScaledWeights.resolve(tensors, source: path)
        if let json = metadata[Configuration.metadataKey] {
            configuration = Configuration(json: Data(json.utf8), source: "\(path) (\(Configuration.metadataKey))")
        } else if let json = FileManager.default.contents(atPath: "\(path)/config.json") {
            configuration = Configuration(json: json, source: "\(path)/config.json")
        }
        self.metadata = metadata
        self.files = files.map { file in
            let attributes = try? FileManager.default.attributesOfItem(atPath: file)
            return (file, (attributes?[.size] as? Int) ?? 0)
        }
    }

    /// The same checkpoint with a configuration, unless it has one of its own.
    package func configured(by other: Configuration?) -> Checkpoint {
        var copy = self
        copy.configuration = configuration ?? other
        return copy
    }

    func replacingTensors(_ tensors: [String: Weight]) -> Checkpoint { Checkpoint(self, tensors: tensors) }

    private init(_ other: Checkpoint, tensors: [String: Weight]) {
        path = other.path
        self.tensors = tensors
        metadata = other.metadata
        files = other.files
        configuration = other.configuration
    }

    /// The element types that occur and their bytes, most first.
    package var typeBytes: [(type: ElementType, bytes: Int)] {
        var bytes: [ElementType: Int] = [:]
        for tensor in tensors.values { bytes[tensor.type, default: 0] += tensor.bytes.count }
        return bytes.sorted { ($0.value, $0.key.rawValue) > ($1.value, $1.key.rawValue) }.map { ($0.key, $0.value) }
    }

    /// The element types that occur, e.g. `bf16, f32`.
    package var typeSummary: String { typeBytes.map(\.type.rawValue).joined(separator: ", ") }

    package var parameterCount: Int { tensors.values.reduce(0) { $0 + $1.count } }
}
