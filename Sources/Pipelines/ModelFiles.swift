import Diffusion
import Foundation
import Models
import Weights

/// What a model is made of on disk: a diffusers folder, such a folder with some parts replaced, or single files alone.
package struct ModelFiles: Sendable {
    /// A diffusers folder; nil where every part is named.
    package var folder: String?
    /// Weight files or component folders, by expert.
    package var experts: [String: String] = [:]
    package var textEncoder: String?
    /// A folder with the tokenizer's files, or its `tokenizer.json`.
    package var tokenizer: String?
    /// The model's own autoencoder, or a tiny one in its place.
    package var vae: String?
    /// A tiny autoencoder beside the model's own.
    package var previewVAE: String?
    /// A `phases.json`.
    package var phases: String?
    package var adapters: [AdapterFile] = []
    /// A folder of LoRA files that requests may name.
    package var loras: String?

    package init(folder: String? = nil) {
        self.folder = folder.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
    }

    /// A LoRA file for one expert.
    package struct AdapterFile: Sendable {
        package let expert: String
        package let path: String
        package let strength: Float

        package init(expert: String, path: String, strength: Float) {
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

    /// What messages call the model.
    var source: String { folder ?? experts.min { $0.key < $1.key }?.value ?? "no model" }

    /// The folder's name, else that of the first expert's file.
    var id: String {
        let url = URL(fileURLWithPath: source)
        return folder == nil ? url.deletingPathExtension().lastPathComponent : url.lastPathComponent
    }

    func family() throws -> any ModelFamily {
        if let folder {
            return try Families.family(of: ModelIndex(folder: folder), folder: folder)
        }
        guard !experts.isEmpty else {
            throw ModelError.notAModel(folder: source, reason: "give a folder, or the files of its experts")
        }
        let identity = try FileIdentity.of(Checkpoint(path: source), as: .expert)
        guard let family = identity.family else {
            throw ModelError.unsupported(folder: source, reason: "\(identity.name): no family runs it")
        }
        return family
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
        if let file {
            let checkpoint = try Checkpoint(path: file)
            let identity = try FileIdentity.of(checkpoint, as: part)
            if let refusal = identity.refusal {
                throw ModelError.unsupported(folder: file, reason: "\(identity.name): \(refusal)")
            }
            return try checkpoint.renamed(by: keys).configured(
                by: folder.flatMap { try configuration("\($0)/\(name)") })
        }
        guard let folder, FileManager.default.fileExists(atPath: "\(folder)/\(name)") else {
            throw ModelError.missingComponent(folder: source, component: name, neededBy: neededBy)
        }
        return try Checkpoint(folder: "\(folder)/\(name)").renamed(by: keys)
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
        let besides = [folder, textEncoder.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path }]
        for folder in besides.compactMap(\.self) {
            let candidate = URL(fileURLWithPath: folder).appending(path: name)
            if FileManager.default.fileExists(atPath: candidate.path) { return candidate }
        }
        throw ModelError.noTokenizer(source: textEncoder ?? folder.map { "\($0)/text_encoder" } ?? source, fault: nil)
    }
}
