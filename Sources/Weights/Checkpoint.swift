import Foundation
import Support
import Tensor

/// The tensors of one component, from a single file or from shards that an index names.
package struct Checkpoint: Sendable {
    /// The folder or file, for messages.
    package let path: String
    package let tensors: [String: Weight]
    package let metadata: [String: String]
    /// The files that were mapped, with their sizes in bytes.
    package let files: [(path: String, bytes: Int)]
    /// Arrays of a GGUF file's metadata: a text encoder's vocabulary.
    package let arrays: [String: GGUFArray]
    /// SentencePiece models that lie among the tensors, by key.
    package let tokenizerModels: [String: Weight]
    /// nil where nothing came with the weights, as with most single files.
    package private(set) var configuration: Configuration?
    /// Why the weights cannot be computed with; only in what was opened to be recognised.
    package let refusal: String?

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

        /// nil where there is no such file.
        /// - Throws: `.malformed` for a Git LFS pointer or a web page in its place.
        package init?(file: String) throws(WeightError) {
            guard let json = FileManager.default.contents(atPath: file) else { return nil }
            if let foreign = ForeignFile.description(of: json.prefix(ForeignFile.looked)) {
                throw .malformed(file: file, reason: "it is \(foreign)")
            }
            self.init(json: json, source: file)
        }
    }

    /// Opens a component folder or a single file.
    package init(path: String) throws(WeightError) {
        try self.init(toRecognise: path)
        if let refusal { throw .unsupported(file: path, reason: refusal) }
    }

    /// Opens one safetensors or GGUF file, or PyTorch's archive; its first bytes say which it is, not its name.
    package init(file: String) throws(WeightError) {
        try self.init(fileToRecognise: file)
        if let refusal { throw .unsupported(file: file, reason: refusal) }
    }

    /// Opens the folder of a component: one file of weights, or shards that an index names (`ComponentFolder`).
    package init(folder: String) throws(WeightError) {
        try self.init(folderToRecognise: folder)
        if let refusal { throw .unsupported(file: folder, reason: refusal) }
    }

    /// Opens a component folder or a single file also where the weights are quantised in a way that is not read: `refusal` then
    /// says which, and the tensors are as they lie in the file. What the file is can be told from their keys all the same.
    package init(toRecognise path: String) throws(WeightError) {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            try self.init(folderToRecognise: path)
        } else {
            try self.init(fileToRecognise: path)
        }
    }

    private init(fileToRecognise file: String) throws(WeightError) {
        let opened = try WeightFile(path: file)
        try self.init(
            path: file, tensors: opened.tensors, metadata: opened.metadata, arrays: opened.arrays,
            files: [(file, opened.byteCount)])
    }

    /// Whether the folder of a component has files of weights, and not its configuration alone.
    package static func hasWeights(folder: String) -> Bool { (try? ComponentFolder.layout(of: folder)) != nil }

    private init(folderToRecognise folder: String) throws(WeightError) {
        switch try ComponentFolder.layout(of: folder) {
        case .sharded(let index): try self.init(folder: folder, index: index)
        case .single(let file):
            let opened = try WeightFile(path: file)
            try self.init(
                path: folder, tensors: opened.tensors, metadata: opened.metadata, arrays: opened.arrays,
                files: [(file, opened.byteCount)])
        }
    }

    /// The files that an index names, and which key is in which.
    private static func map(index: String) throws(WeightError) -> [String: String] {
        struct Index: Decodable {
            let weightMap: [String: String]
            enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
        }
        guard let json = FileManager.default.contents(atPath: index) else {
            throw .unreadable(file: index, reason: "the file cannot be read")
        }
        if let foreign = ForeignFile.description(of: json.prefix(ForeignFile.looked)) {
            throw .malformed(file: index, reason: "it is \(foreign)")
        }
        guard let map = try? JSONDecoder().decode(Index.self, from: json).weightMap else {
            throw .malformed(file: index, reason: "not an index with a \"weight_map\" of strings")
        }
        if let name = map.values.sorted().first(where: { $0.contains("/") }) {
            throw .malformed(file: index, reason: "shard name \"\(name)\" is not a plain file name")
        }
        return map
    }

    /// The names of the files that an index names.
    static func shards(index: String) throws(WeightError) -> [String] { Set(try map(index: index).values).sorted() }

    private init(folder: String, index: String) throws(WeightError) {
        let map = try Self.map(index: index)
        var tensors: [String: Weight] = [:]
        var files: [(path: String, bytes: Int)] = []
        for name in Set(map.values).sorted() {
            let path = "\(folder)/\(name)"
            guard FileManager.default.fileExists(atPath: path) else {
                throw .missingFile(file: path, namedBy: index)
            }
            let shard = try WeightFile(path: path)
            for (key, tensor) in shard.tensors where map[key] == name { tensors[key] = tensor }
            files.append((path, shard.byteCount))
        }
        for (key, shard) in map.sorted(by: { $0.key < $1.key }) where tensors[key] == nil {
            throw .missingTensor(key: key, source: "\(folder)/\(shard)")
        }
        try self.init(path: folder, tensors: tensors, metadata: [:], arrays: [:], files: files)
    }

    private init(
        path: String, tensors: [String: Weight], metadata: [String: String], arrays: [String: GGUFArray],
        files: [(path: String, bytes: Int)]
    ) throws(WeightError) {
        if let json = metadata[Configuration.metadataKey] {
            configuration = Configuration(json: Data(json.utf8), source: "\(path) (\(Configuration.metadataKey))")
        } else {
            // PEFT's settings decide how strong an update is, also where only its weights are named.
            let isAdapter = (path as NSString).lastPathComponent == "adapter_model.safetensors"
            let folder = isAdapter ? (path as NSString).deletingLastPathComponent : path
            for name in isAdapter ? ["adapter_config.json"] : ["config.json", "adapter_config.json"]
            where configuration == nil {
                configuration = try Configuration(file: "\(folder.isEmpty ? "." : folder)/\(name)")
            }
        }
        let tensors = TrainingWrappers.removed(from: tensors)
        refusal = ForeignQuantization(tensors, metadata, configuration).refusal
        let weights = tensors.filter { !Self.isTokenizerModel($0.key) }
        self.path = path
        self.tensors = refusal == nil ? try ScaledWeights.resolve(weights, source: path) : weights
        tokenizerModels = tensors.filter { Self.isTokenizerModel($0.key) }
        self.metadata = metadata
        self.arrays = arrays
        self.files = files
    }

    /// Tensors of bytes in which ComfyUI's files carry the tokenizer of their text encoder.
    private static func isTokenizerModel(_ key: String) -> Bool {
        key == "spiece_model" || key.hasSuffix(".spiece_model")
    }

    /// The same checkpoint with a configuration, unless it has one of its own.
    package func configured(by other: Configuration?) -> Checkpoint {
        var copy = self
        copy.configuration = configuration ?? other
        return copy
    }

    func replacingTensors(_ tensors: [String: Weight]) -> Checkpoint {
        Checkpoint(self, tensors: tensors, files: files)
    }

    /// The same checkpoint with the tensors of another beside its own; a key of both is the other's.
    package func joined(with other: Checkpoint) -> Checkpoint {
        Checkpoint(self, tensors: tensors.merging(other.tensors) { $1 }, files: files + other.files)
    }

    private init(_ other: Checkpoint, tensors: [String: Weight], files: [(path: String, bytes: Int)]) {
        path = other.path
        self.tensors = tensors
        metadata = other.metadata
        self.files = files
        arrays = other.arrays
        tokenizerModels = other.tokenizerModels
        configuration = other.configuration
        refusal = other.refusal
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
