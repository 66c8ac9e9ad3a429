import Support

/// Which files of a repository a model is read from. Repositories hold the same weights several times: in several types, and in
/// the formats of several libraries.
package struct FileSelection: Sendable {
    /// The folders of diffusers' layout that `model_index.json` names; nil where there is none.
    package var components: Set<String>?
    /// A type that is preferred where a folder has its weights in several (`fp16`); nil: the plain names first.
    package var variant: String?
    /// Paths of the files and folders that the authors of a family call so in their own repository.
    package var originalPaths: [String] = []

    package init() {}

    package static let index = "model_index.json"
    private static let variants = ["bf16", "fp16", "fp32"]
    private static let descriptions = [".json", ".txt", ".model"]
    private static let stems = ["diffusion_pytorch_model", "model", "pytorch_model"]

    /// The components in a `model_index.json`, each of which is a library and a class; those that are null are absent.
    /// - Throws: `HubError.malformed`.
    package static func components(of index: [UInt8], repository: String) throws(HubError) -> Set<String> {
        let value: JSON
        do throws(JSONFault) {
            value = try JSON(parsing: index, limits: .file)
        } catch {
            throw .malformed(what: "\(repository)/model_index.json", reason: "\(error)")
        }
        guard case .object(let members) = value else {
            throw .malformed(what: "\(repository)/model_index.json", reason: "it is no object")
        }
        return Set(
            members.compactMap { member in
                guard case .array(let pair) = member.value, pair.count == 2, case .string = pair[1] else { return nil }
                return member.name
            })
    }

    /// The files to bring, small ones first.
    /// - Throws: `HubError` where nothing is there, or where one of several must be named.
    package func files(of listing: RepositoryListing) throws(HubError) -> [RemoteFile] {
        let chosen = try unordered(listing)
        return chosen.sorted { ($0.size, $0.path) < ($1.size, $1.path) }
    }

    private func unordered(_ listing: RepositoryListing) throws(HubError) -> [RemoteFile] {
        if let pattern = listing.name.file {
            let chosen = listing.files.filter { RemotePath.matches($0.path, pattern) }
            guard !chosen.isEmpty else {
                let last = pattern.split(separator: "/").last.map(String.init) ?? pattern
                let ending = last.split(separator: ".").last.map(String.init) ?? last
                let near = listing.files.map(\.path).filter { $0.hasSuffix(ending) || $0.hasSuffix("/" + last) }
                throw .noSuchFile(repository: "\(listing.name)", file: pattern, near: near)
            }
            return chosen
        }
        if let components {
            return listing.files.filter { $0.path == Self.index }
                + folders(listing.files).filter { components.contains(String($0.key)) }.values.flatMap(component)
        }
        let original = listing.files.filter { file in originalPaths.contains { RemotePath.matches(file.path, $0) } }
        if original.contains(where: Self.isWeights), !original.allSatisfy({ $0.folder.isEmpty && Self.isComponent($0) })
        {
            return original
        }
        let weights = listing.files.filter(Self.isWeights)
        let root = listing.files.filter(\.folder.isEmpty)
        if !weights.isEmpty, weights.allSatisfy({ $0.folder.isEmpty && Self.isComponent($0) }) {
            return component(root)
        }
        guard weights.count != 1 else { return weights }
        guard !weights.isEmpty else { throw .nothingToRead(repository: "\(listing.name)") }
        throw .alternatives(
            repository: "\(listing.name)",
            files: weights.sorted { $0.path < $1.path }.map { "\($0.path)  (\(Bytes.text($0.size)))" })
    }

    private func folders(_ files: [RemoteFile]) -> [Substring: [RemoteFile]] {
        Dictionary(grouping: files.filter { !$0.folder.isEmpty }, by: \.folder)
    }

    // MARK: One component

    /// Descriptions, and the weights in one type and one format.
    private func component(_ files: [RemoteFile]) -> [RemoteFile] {
        let descriptions = files.filter { file in
            Self.descriptions.contains(where: file.path.hasSuffix) && !file.path.contains(".index.")
        }
        for ending in [".safetensors", ".bin"] {
            let weights = files.filter { $0.path.hasSuffix(ending) && Self.isComponent($0) }
            let types = Set(weights.map { Self.variant(of: $0.name) })
            let order = [variant].compactMap(\.self) + [""] + Self.variants
            guard let type = order.first(where: types.contains) else { continue }
            let ofType = weights.filter { Self.variant(of: $0.name) == type }
            let shards = ofType.filter { $0.name.contains("-of-") }
            let indexes = files.filter {
                $0.path.contains(ending + ".index.") && $0.path.hasSuffix(".json") && Self.variant(of: $0.name) == type
            }
            return descriptions + (shards.isEmpty ? ofType : shards + indexes)
        }
        return descriptions
    }

    /// The type in a name, `fp16` of `model.fp16-00001-of-00002.safetensors` or of `model.safetensors.index.fp16.json`; empty for
    /// a plain name.
    static func variant(of name: Substring) -> String {
        let parts = name.split(separator: ".").dropFirst().map { part in
            part.range(of: "-").map { String(part[..<$0.lowerBound]) } ?? String(part)
        }
        return parts.first { !["safetensors", "bin", "index", "json", "pth", "gguf"].contains($0) } ?? ""
    }

    /// Whether a file of weights has a name under which a component's are looked for.
    private static func isComponent(_ file: RemoteFile) -> Bool {
        stems.contains { file.name.hasPrefix($0 + ".") || file.name.hasPrefix($0 + "-") }
    }

    private static func isWeights(_ file: RemoteFile) -> Bool {
        [".safetensors", ".gguf", ".pth"].contains(where: file.path.hasSuffix)
    }
}
