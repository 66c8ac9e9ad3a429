import API
import Foundation
import Pipelines

/// Which weights and settings made a file, told by their bytes, not by where they lie.
///
/// A component is the SHA-256 over name, length and samples of each of its files: the first 64 KB, which hold a
/// safetensors or GGUF header of all but the largest models, and 64 blocks of 4 KB at equal distances. Reading a
/// 28 GB expert as a whole would take longer than running it.
package struct ModelIdentity: Codable, Sendable, Equatable {
    package let model: String
    /// Component -> hexadecimal digest; `configuration` covers the folder's JSON files and tokenizer.
    package let components: [String: String]
    /// LoRA files put on experts.
    package let adapters: [Adapter]

    package struct Adapter: Codable, Sendable, Equatable {
        package let expert: String
        package let digest: String
        package let strength: Float
    }

    private static let head = 64 << 10
    private static let block = 4 << 10
    private static let blocks = 64
    private static let configuration = "configuration"

    /// - Throws: `BatchError.unreadable`.
    package init(_ pipeline: Pipeline, files: ModelFiles) throws(BatchError) {
        model = pipeline.id
        var components: [String: String] = [:]
        for component in pipeline.components {
            var bytes: [UInt8] = []
            for file in component.files { bytes += try Self.sample(file.path) }
            components[component.name] = Self.hexadecimal(SHA256.digest(bytes))
        }
        components[Self.configuration] = try Self.settings(files)
        self.components = components
        var digests: [Adapter] = []
        for adapter in files.adapters {
            let digest = Self.hexadecimal(SHA256.digest(try Self.sample(adapter.path)))
            digests.append(Adapter(expert: adapter.expert, digest: digest, strength: adapter.strength))
        }
        self.adapters = digests
    }

    package init(model: String, components: [String: String]) {
        self.model = model
        self.components = components
        adapters = []
    }

    /// What differs from the model that is open, among what a generator with these experts uses; nil if nothing does.
    func difference(from other: ModelIdentity, experts: [String]) -> String? {
        // Neither the teacher nor another generator's expert has a part in what a student made.
        let known = Set(components.keys).union(other.components.keys)
        let weights = known.filter { $0.hasPrefix("transformer") || $0 == "teacher" }
        let used = known.filter { !weights.contains($0) || experts.contains($0) }
        let differing = used.filter { components[$0] != other.components[$0] }.sorted()
        if !differing.isEmpty { return "\(differing.joined(separator: ", ")) of the model" }
        let own = adapters.filter { experts.contains($0.expert) }
        return own == other.adapters.filter { experts.contains($0.expert) } ? nil : "the LoRA files"
    }

    private static func sample(_ path: String) throws(BatchError) -> [UInt8] {
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: path))
            defer { try? file.close() }
            let length = try file.seekToEnd()
            try file.seek(toOffset: 0)
            var bytes = Array("\(URL(filePath: path).lastPathComponent) \(length)\n".utf8)
            bytes += try file.read(upToCount: head) ?? Data()
            if length > UInt64(head + blocks * block) {
                for index in 1...blocks {
                    try file.seek(toOffset: (length - UInt64(block)) / UInt64(blocks) * UInt64(index))
                    bytes += try file.read(upToCount: block) ?? Data()
                }
            } else {
                bytes += try file.readToEnd() ?? Data()
            }
            return bytes
        } catch {
            throw .unreadable(path: path, reason: "\(error.localizedDescription)")
        }
    }

    /// Everything small that says how the model computes: JSON files and the tokenizer's, of the model's folder two
    /// levels deep, and those that were named apart from it.
    private static func settings(_ files: ModelFiles) throws(BatchError) -> String {
        var bytes: [UInt8] = []
        for folder in [files.folder, files.tokenizer].compactMap(\.self) {
            for name in names(in: folder) {
                let path = "\(folder)/\(name)"
                guard let content = FileManager.default.contents(atPath: path) else {
                    throw .unreadable(path: path, reason: "it cannot be opened")
                }
                bytes += Array("\(name) \(content.count)\n".utf8)
                bytes += content
            }
        }
        if let phases = files.phases { bytes += try sample(phases) }
        return hexadecimal(SHA256.digest(bytes))
    }

    private static func names(in folder: String) -> [String] {
        let files = FileManager.default
        let top = ((try? files.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        let below = top.flatMap { name in
            ((try? files.contentsOfDirectory(atPath: "\(folder)/\(name)")) ?? []).sorted().map { "\(name)/\($0)" }
        }
        return (top + below).filter { name in
            var isFolder: ObjCBool = false
            return ["json", "txt", "model"].contains(URL(filePath: name).pathExtension)
                && files.fileExists(atPath: "\(folder)/\(name)", isDirectory: &isFolder) && !isFolder.boolValue
        }
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
