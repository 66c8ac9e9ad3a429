import Diffusion
import Foundation
import Jobs
import Logging
import Models
import Pipelines
import Support

/// The embeddings of a model's prompts: in memory, and on disk beyond the process, so that a prompt that was encoded
/// once does not need the text encoder again. Used on the compute thread only.
final class PromptCache {
    private let model: Pipeline
    private let folder: EmbeddingFolder
    private let metrics: Metrics
    /// The embedding of one prompt of UMT5-XXL takes 8 MB at most.
    private var recent = RecentlyUsed<String, Conditioning>(capacity: 32)

    init(model: Pipeline, folder: EmbeddingFolder, metrics: Metrics) {
        self.model = model
        self.folder = folder
        self.metrics = metrics
    }

    /// The embedding of a prompt, if the text encoder is not needed for it.
    /// - Parameter pictures: digests of those that the text encoder looks at.
    func known(_ prompt: String, by side: TextSide, seeing pictures: [String] = []) -> Conditioning? {
        let key = EmbeddingKey(prompt, by: side, seeing: pictures, model)
        if let conditioning = recent.value(of: key.text) { return conditioning }
        guard let conditioning = folder.read(key, as: Conditioning.self) else { return nil }
        recent.keep(conditioning, as: key.text)
        return conditioning
    }

    /// - Parameter compute: encodes the prompt where its embedding is not known.
    func encode(
        _ prompt: String, by side: TextSide, seeing pictures: [String] = [], compute: () throws -> Conditioning
    ) throws -> Conditioning {
        if let known = known(prompt, by: side, seeing: pictures) {
            count("hit")
            return known
        }
        let conditioning = try compute()
        count("miss")
        let key = EmbeddingKey(prompt, by: side, seeing: pictures, model)
        recent.keep(conditioning, as: key.text)
        folder.write(conditioning, key)
        return conditioning
    }

    private func count(_ result: String) {
        metrics.count(
            "phasor_prompt_cache_total", "Prompts whose embedding was known (hit) or had to be computed (miss).",
            ["result": result])
    }
}

/// What an embedding is of: a prompt as a model's text encoder reads it, the pictures that the encoder looks at, and that
/// encoder with the LoRA files on it.
struct EmbeddingKey {
    let text: String
    /// The name of the file. The first half is the hash of the prompt alone, so that a prompt is found whatever encoded
    /// it.
    let name: String

    /// - Parameter pictures: digests.
    init(_ prompt: String, by side: TextSide = .plain, seeing pictures: [String] = [], _ model: Pipeline) {
        let prompt = model.cleaned(prompt)
        let encoder = [model.arithmetic, model.identity(of: side)]
        text = "\((encoder + pictures).joined(separator: "\n"))\n\n\(prompt)"
        name = FNV1a.hex(prompt) + FNV1a.hex(text)
    }

    /// Removes a prompt's embeddings by any version of the model.
    static func erase(_ prompt: String, _ model: Pipeline, from folder: FileFolder) throws {
        let half = FNV1a.hex(model.cleaned(prompt))
        let names = try folder.names().filter { name in
            OwnName.isEmbedding(OwnName.finished(name) ?? name[...]) && name.hasPrefix(half)
        }
        if let fault = folder.remove(names) { throw fault }
    }
}

/// Embeddings on disk, by key; those used longest ago go when there are too many bytes.
final class EmbeddingFolder {
    private let files: FileFolder
    private let capacity: Int
    private let logger: Logger
    /// Least recently used first.
    private var index: [(name: String, bytes: Int)]

    /// What a file holds: its name is only a hash of the key.
    private struct Entry<Embedding: Codable>: Codable {
        let key: String
        let embedding: Embedding
    }

    /// - Parameter capacity: bytes.
    init(_ files: FileFolder, capacity: Int, logger: Logger) {
        self.files = files
        self.capacity = capacity
        self.logger = logger
        index = files.oldestFirst()
        trim()
    }

    func read<Embedding: Codable>(_ key: EmbeddingKey, as type: Embedding.Type) -> Embedding? {
        let name = key.name
        guard let place = index.firstIndex(where: { $0.name == name }) else { return nil }
        do {
            let entry = try files.readSealed(name).map {
                try PropertyListDecoder().decode(Entry<Embedding>.self, from: $0)
            }
            guard let entry, entry.key == key.text else { return nil }
            index.append(index.remove(at: place))
            files.touch(name)
            return entry.embedding
        } catch {
            logger.warning("an embedding is computed again: \(error)")
            index.remove(at: place)
            files.remove([name])
            return nil
        }
    }

    /// Keeps an embedding if the disk takes it.
    func write(_ embedding: some Codable, _ key: EmbeddingKey) {
        guard capacity > 0 else { return }
        let name = key.name
        do {
            let encoder = PropertyListEncoder()
            encoder.outputFormat = .binary
            let file = try encoder.encode(Entry(key: key.text, embedding: embedding))
            try files.writeSealed(file, as: name)
            index.removeAll { $0.name == name }
            index.append((name, file.count))
            trim()
        } catch {
            logger.warning("an embedding is not kept: \(error)")
        }
    }

    private func trim() {
        var total = index.reduce(0) { $0 + $1.bytes }
        while total > capacity, let oldest = index.first {
            index.removeFirst()
            files.remove([oldest.name])
            total -= oldest.bytes
        }
    }
}
