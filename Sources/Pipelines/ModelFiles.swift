import Diffusion
import Foundation
import Models
import Weights

/// What a model is made of on disk: a diffusers folder, such a folder with some parts replaced, or single files alone. A file
/// of an expert that holds text encoders and an autoencoder, too, gives those that nothing else does; a folder beside it then
/// needs no weights, only configurations and tokenizers.
package struct ModelFiles: Sendable {
    /// A diffusers folder, or a repository as its authors lay it out; nil where every part is named.
    package let folder: String?
    /// The parts of a repository that is not in diffusers' layout, by the names of diffusers' folders.
    let originalParts: [String: String]?
    /// What requests call the model, where its files do not say it.
    package var name: String?
    /// Weight files or component folders, by expert.
    package var experts: [String: String] = [:]
    package var textEncoder: String?
    /// What looks at pictures for the text encoder, where its file does not hold that.
    package var visionTower: String?
    /// A folder with the tokenizer's files, or its `tokenizer.json`.
    package var tokenizer: String?
    /// The model's own autoencoder, or a tiny one in its place.
    package var vae: String?
    /// A tiny autoencoder beside the model's own.
    package var previewVAE: String?
    /// A `phases.json`.
    package var phases: String?
    package var adapters: [AdapterFile] = []
    /// The family of single files whose keys do not tell it (Qwen-Image-Edit-2509); nil for what they tell.
    package var familyName: String?
    /// A folder of LoRA files that requests may name.
    package var loras: String?

    package init(folder: String? = nil) {
        self.folder = folder.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
        originalParts = self.folder.flatMap(Families.originalParts(in:))
    }

    /// Whether a folder holds a model rather than a part of one.
    package static func isModel(_ folder: String) -> Bool {
        ["model_index.json", "modular_model_index.json"].contains {
            FileManager.default.fileExists(atPath: "\(folder)/\($0)")
        } || Families.originalParts(in: folder) != nil
    }

    /// A LoRA file for one expert.
    package struct AdapterFile: Sendable {
        /// Nil for the only one of a model.
        package let expert: String?
        package let path: String
        package let strength: Float

        package init(expert: String?, path: String, strength: Float) {
            self.expert = expert
            self.path = path
            self.strength = strength
        }
    }

    /// The expert that people call so: diffusers keeps the high-noise one in `transformer`, the low-noise one in
    /// `transformer_2`.
    package static func expertName(_ name: String) -> String {
        switch name {
        case "high": "transformer"
        case "low": "transformer_2"
        default: name
        }
    }

    /// The same with what is for `transformer`, as an expert is called where nobody names it, put to a model's only expert.
    /// - Parameter names: of all experts and of what they are built on.
    func named(as names: Set<String>) -> ModelFiles {
        guard names.count == 1, let only = names.first else { return self }
        func settled(_ name: String) -> String { name == Self.expertName("high") ? only : name }
        var files = self
        files.experts = Dictionary(
            experts.map { (settled($0.key), $0.value) }, uniquingKeysWith: { first, _ in first })
        files.adapters = adapters.map {
            AdapterFile(expert: $0.expert.map(settled) ?? only, path: $0.path, strength: $0.strength)
        }
        return files
    }

    /// What messages call the model.
    var source: String { folder ?? experts.min { $0.key < $1.key }?.value ?? "no model" }

    /// The folder's name, else that of the first expert's file.
    var id: String {
        if let name { return name }
        let url = URL(fileURLWithPath: source)
        return folder == nil ? url.deletingPathExtension().lastPathComponent : url.lastPathComponent
    }

    /// - Throws: `ModelError`, also for an expert's file that cannot be used: that is said before anything else is missed.
    package func family() throws -> any ModelFamily {
        let given = try experts.sorted(by: { $0.key < $1.key }).map { try Self.requireUsable($0.value, as: .expert) }
        if let folder, let index = try index() {
            if let familyName {
                throw ModelError.unsupported(
                    folder: folder,
                    reason: "the family \(familyName) was named for it; a folder's own is in its model_index.json")
            }
            return try Families.family(of: index, folder: folder)
        }
        guard
            let first = try given.first
                ?? originalParts?["transformer"].map({ try Self.requireUsable($0, as: .expert) })
        else { throw ModelError.notAModel(folder: source, reason: "give a folder, or the files of its experts") }
        if let familyName {
            guard let family = Families.family(named: familyName) else {
                throw ModelError.unsupported(
                    folder: source,
                    reason: "there is no family \(familyName); there are "
                        + Families.all.map(\.name).joined(separator: ", "))
            }
            return family
        }
        guard let family = first.identity.family else {
            throw ModelError.unsupported(
                folder: first.checkpoint.path, reason: "\(first.identity.name): no family runs it")
        }
        return family
    }

    /// The description of a folder in diffusers' layout; nil for other files.
    /// - Throws: `ModelError.notAModel` for a folder without one.
    func index() throws -> ModelIndex? {
        guard let folder, originalParts == nil else { return nil }
        return try ModelIndex(folder: folder)
    }

    /// The `phases.json` that says how to generate, if there is one.
    var phasesFile: String? {
        if let phases { return phases }
        guard let folder, FileManager.default.fileExists(atPath: "\(folder)/phases.json") else { return nil }
        return "\(folder)/phases.json"
    }

    /// The LoRA files of an expert: its own, which lie beside `phases.json`, and those that were given.
    func adapters(of expert: String, _ adapted: AdaptedExpert?) -> [AdapterFile] {
        let folder = URL(fileURLWithPath: phasesFile ?? "").deletingLastPathComponent()
        let own = (adapted?.loras ?? []).map {
            AdapterFile(expert: expert, path: folder.appending(path: $0.file).path, strength: $0.strength)
        }
        return own + adapters.filter { $0.expert == expert }
    }

    // MARK: Parts

    /// Opens a part: the file that was named for it, else the folder's.
    ///
    /// - Parameters:
    ///   - name: its folder in diffusers layout.
    ///   - file: a file or folder that was named for it.
    ///   - keys: the network's names of its keys.
    /// - Throws: `ModelError`, also for a file that is something else, and `WeightError`.
    func open(
        _ name: String, _ part: FileIdentity.Part, file: String?, keys: KeyTable, neededBy: String
    ) throws -> Checkpoint {
        if let file { return try open(file, as: part, keys: keys, of: name) }
        if let folder, let originalParts, let path = originalParts[name] {
            do {
                return try open(path, as: part, keys: keys, of: name)
            } catch {
                let parts = originalParts.values.map { URL(fileURLWithPath: $0).lastPathComponent }.sorted()
                throw ModelError.notAModel(
                    folder: folder, reason: "it is an original repository (\(parts.joined(separator: ", "))): \(error)")
            }
        }
        let own = folder.map { "\($0)/\(name)" }.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
        if own.map(Checkpoint.hasWeights) != true, let whole = try wholeFile(with: part, keys: keys) {
            return try configured(whole.renamed(by: keys), name)
        }
        guard let own else {
            throw ModelError.missingComponent(folder: source, component: name, neededBy: neededBy)
        }
        return try Checkpoint(folder: own).renamed(by: keys)
    }

    /// Opens the vision tower that was named, if one was.
    /// - Throws: `ModelError`, also where the family's text encoder looks at no pictures; `WeightError`.
    func openVisionTower(for family: any ModelFamily) throws -> Checkpoint? {
        guard let visionTower else { return nil }
        guard let keys = family.visionTowerKeys else {
            throw ModelError.unsupported(
                folder: visionTower, reason: "the text encoder of \(family.name) looks at no pictures")
        }
        return try Self.requireUsable(visionTower, as: .visionTower).checkpoint.renamed(by: keys)
    }

    /// Opens a file and tells what it is.
    /// - Throws: `ModelError` if it is something else, or a relative that is not built; `WeightError`.
    private static func requireUsable(
        _ file: String, as part: FileIdentity.Part
    ) throws -> (checkpoint: Checkpoint, identity: FileIdentity) {
        let checkpoint = try Checkpoint(toRecognise: file)
        let identity = try FileIdentity.of(checkpoint, as: part)
        if let refusal = identity.refusal {
            throw ModelError.unsupported(folder: file, reason: "\(identity.name): \(refusal)")
        }
        return (checkpoint, identity)
    }

    /// The file of an expert, if it holds such a part, too.
    private func wholeFile(with part: FileIdentity.Part, keys: KeyTable) throws -> Checkpoint? {
        for path in experts.sorted(by: { $0.key < $1.key }).map(\.value) {
            let checkpoint = try Checkpoint(path: path)
            let isThere = checkpoint.tensors.keys.contains { key in keys.prefixes.contains { key.hasPrefix($0) } }
            if isThere, try FileIdentity.all(in: checkpoint).contains(where: { $0.part == part }) { return checkpoint }
        }
        return nil
    }

    private func configured(_ checkpoint: Checkpoint, _ name: String) throws -> Checkpoint {
        checkpoint.configured(by: try folder.flatMap { try configuration("\($0)/\(name)") })
    }

    private func open(
        _ file: String, as part: FileIdentity.Part, keys: KeyTable, of name: String
    ) throws -> Checkpoint {
        try configured(Self.requireUsable(file, as: part).checkpoint.renamed(by: keys), name)
    }

    private func configuration(_ folder: String) throws -> Checkpoint.Configuration? {
        try Checkpoint.Configuration(file: "\(folder)/config.json")
    }

    /// The folder of a tokenizer: the one that was named, the model's, or one beside the text encoder.
    /// - Throws: `ModelError.noTokenizer`: then the text encoder's own counts, if its file carries one.
    /// - Parameter name: the folder's name in diffusers layout.
    func tokenizerFolder(_ name: String) throws -> URL {
        if let tokenizer, name == "tokenizer" {
            let url = URL(fileURLWithPath: tokenizer)
            return url.lastPathComponent == "tokenizer.json" ? url.deletingLastPathComponent() : url
        }
        if let path = originalParts?[name] { return URL(fileURLWithPath: path) }
        let besides = [folder, textEncoder.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path }]
        for folder in besides.compactMap(\.self) {
            let candidate = URL(fileURLWithPath: folder).appending(path: name)
            if FileManager.default.fileExists(atPath: candidate.path) { return candidate }
        }
        throw ModelError.noTokenizer(source: textEncoder ?? folder.map { "\($0)/text_encoder" } ?? source, fault: nil)
    }
}
