import Foundation
import Pipelines
import Support
import Weights

/// Which weights and settings made a file, told by their bytes, not by where they lie.
///
/// A component is the SHA-256 over the samples of its files.
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

    private static let configuration = "configuration"

    /// - Throws: `BatchError.unreadable`.
    package init(_ pipeline: Pipeline, files: ModelFiles) throws(BatchError) {
        model = pipeline.id
        var components: [String: String] = [:]
        for component in pipeline.components {
            var bytes: [UInt8] = []
            for file in component.files { bytes += try Self.sample(file.path) }
            components[component.name] = SHA256.hexadecimal(of: bytes)
        }
        components[Self.configuration] = try Self.settings(files)
        self.components = components
        var digests: [Adapter] = []
        for adapter in files.adapters {
            let digest = SHA256.hexadecimal(of: try Self.sample(adapter.path))
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
            return try FileSample(path: path).bytes
        } catch {
            throw .unreadable(path: path, reason: "\(error)")
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
        return SHA256.hexadecimal(of: bytes)
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
}
