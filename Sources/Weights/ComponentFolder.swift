import Foundation
import Support

/// Which files of a folder hold a component's weights, as diffusers, transformers, PEFT and people lay them out.
package struct ComponentFolder {
    enum Layout: Equatable {
        /// One file.
        case single(String)
        /// Several, with an index that says which key is in which.
        case sharded(index: String)
    }

    /// Paths of what a component's folder lacks, shards that its index names among them; files that something else stands in
    /// place of are told with what it is.
    package static func missing(in folder: String, needsConfiguration: Bool) -> [String] {
        func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
        var missing: [String] = []
        var files: [String] = []
        let configuration = "\(folder)/config.json"
        if isThere(configuration) {
            files.append(configuration)
        } else if needsConfiguration {
            missing.append(configuration)
        }
        switch try? layout(of: folder) {
        case .single(let file): files.append(file)
        case .sharded(let index):
            files.append(index)
            let shards = ((try? Checkpoint.shards(index: index)) ?? []).map { "\(folder)/\($0)" }
            missing += shards.filter { !isThere($0) }
            files += shards.filter(isThere)
        case nil: missing.append("\(folder)/diffusion_pytorch_model.safetensors or model.safetensors")
        }
        return missing + files.compactMap { file in foreign(file).map { "\(file): it is \($0)" } }
    }

    /// What a file is that stands in place of a description or of weights; nil where it may be one.
    package static func foreign(_ file: String) -> String? {
        guard let handle = FileHandle(forReadingAtPath: file) else { return nil }
        defer { try? handle.close() }
        return ForeignFile.description(of: (try? handle.read(upToCount: ForeignFile.looked)) ?? Data())
    }

    /// Names of weights without their endings. An adapter's come last.
    private static let stems = [
        "diffusion_pytorch_model", "model", "pytorch_model", "adapter_model", "pytorch_lora_weights",
    ]
    private static let endings = ["safetensors", "bin"]
    /// Files of one component in other types, which are taken where the plain name is absent.
    private static let variants = ["bf16", "fp16", "fp32"]

    /// Paths of the files in `folder`.
    /// - Throws: `.unreadable` that says what is there instead.
    static func layout(of folder: String) throws(WeightError) -> Layout {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw .unreadable(file: folder, reason: "no such folder")
        }
        let present = Set(names)
        for ending in endings {
            for stem in stems {
                let plain = "\(stem).\(ending)"
                if present.contains("\(plain).index.json") { return .sharded(index: "\(folder)/\(plain).index.json") }
                if present.contains(plain) { return .single("\(folder)/\(plain)") }
            }
            for stem in stems {
                for variant in variants {
                    let plain = "\(stem).\(variant).\(ending)"
                    for index in ["\(stem).\(ending).index.\(variant).json", "\(plain).index.json"]
                    where present.contains(index) { return .sharded(index: "\(folder)/\(index)") }
                    if present.contains(plain) { return .single("\(folder)/\(plain)") }
                }
            }
        }
        let others = names.filter { $0.hasSuffix(".safetensors") || $0.hasSuffix(".gguf") }.sorted()
        if others.count == 1 { return .single("\(folder)/\(others[0])") }
        let shards = others.compactMap { name in stems.first { name.hasPrefix("\($0)-0") } }
        if let stem = shards.first, shards.count == others.count {
            throw .missingFile(file: "\(folder)/\(stem).safetensors.index.json", namedBy: others[0])
        }
        throw .unreadable(
            file: folder,
            reason: others.isEmpty
                ? "it holds neither diffusion_pytorch_model.safetensors nor model.safetensors, nor their .index.json"
                : "it holds \(others.count) files of weights, \(others.prefix(3).joined(separator: ", "))"
                    + "\(others.count > 3 ? ", ..." : ""): name the one that is meant")
    }
}
