import Foundation
import Tensor

/// The tensors of one component, from a single safetensors file or from shards that an index names.
package struct Checkpoint: Sendable {
    /// The folder or file, for messages.
    package let path: String
    package let tensors: [String: Weight]
    package let metadata: [String: String]
    /// The files that were mapped, with their sizes in bytes.
    package let files: [(path: String, bytes: Int)]

    /// Opens one safetensors file.
    package init(file: String) throws(WeightError) {
        let opened = try Safetensors(path: file)
        self.init(path: file, tensors: opened.tensors, metadata: opened.metadata, files: [file])
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
                self.init(path: folder, tensors: opened.tensors, metadata: opened.metadata, files: [single])
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
        self.init(path: folder, tensors: tensors, metadata: [:], files: names.map { "\(folder)/\($0)" })
    }

    private init(path: String, tensors: [String: Weight], metadata: [String: String], files: [String]) {
        self.path = path
        self.tensors = tensors
        self.metadata = metadata
        self.files = files.map { file in
            let attributes = try? FileManager.default.attributesOfItem(atPath: file)
            return (file, (attributes?[.size] as? Int) ?? 0)
        }
    }

    /// The element types that occur, most bytes first, e.g. `bf16, f32`.
    package var typeSummary: String {
        var bytes: [ElementType: Int] = [:]
        for tensor in tensors.values { bytes[tensor.type, default: 0] += tensor.bytes.count }
        return bytes.sorted { ($0.value, $0.key.rawValue) > ($1.value, $1.key.rawValue) }.map(\.key.rawValue)
            .joined(separator: ", ")
    }

    package var parameterCount: Int { tensors.values.reduce(0) { $0 + $1.count } }
}
