import Diffusion
import Foundation
import Models
import Support
import Weights

extension ModelFiles {
    /// A file without which the model does not open.
    package struct MissingFile: Sendable, Equatable {
        /// The part by the name of its folder in diffusers' layout: `transformer`, `text_encoder`, `tokenizer`, `vae`,
        /// ...
        package let part: String
        /// What is not there, in words that name the file or folder.
        package let what: String
    }

    /// What the model still lacks. Files' first bytes are looked at, no weights are read.
    /// - Throws: `ModelError` where not even the family can be told, and errors of a damaged description.
    package func missing() throws -> [MissingFile] {
        let family = try family()
        var missing: [MissingFile] = []
        func add(_ part: String, _ faults: [String]) {
            missing += faults.map { MissingFile(part: part, what: $0) }
        }
        let plan = try neededExperts(family)
        if let fault = plan.fault { add("scheduler", [fault]) }
        for expert in plan.experts { add(expert, faults(of: expert, given: experts[expert])) }
        for (index, part) in family.textEncoders.enumerated() {
            add(part.folder, faults(of: part.folder, given: index == 0 ? textEncoder : nil))
            let tokenizer = part.folder.replacing("text_encoder", with: "tokenizer")
            if let fault = tokenizerFault(tokenizer, encoder: index == 0 ? textEncoder : nil) {
                add(tokenizer, [fault])
            }
        }
        if let visionTower, !Self.isThere(visionTower) { add("vision tower", [visionTower]) }
        add(family.autoencoder.folder, faults(of: family.autoencoder.folder, given: vae))
        for adapter in adapters where !Self.isThere(adapter.path) {
            add([adapter.expert, "LoRA"].compactMap(\.self).joined(separator: " "), [adapter.path])
        }
        return missing
    }

    /// The experts of all ways to generate, and what keeps these from being known.
    private func neededExperts(_ family: any ModelFamily) throws -> (experts: [String], fault: String?) {
        if let folder, originalParts == nil, phasesFile == nil {
            let scheduler = "\(folder)/scheduler/scheduler_config.json"
            guard Self.isThere(scheduler) else {
                let named = try ModelIndex(folder: folder).components.keys.filter {
                    $0.hasPrefix("transformer") || $0.hasPrefix("unet")
                }
                return (named.sorted(), scheduler)
            }
        }
        let generators = try Pipeline.generators(self, family)
        let names = generators.generators.flatMap(\.plan.experts).map { generators.adaptedExperts[$0]?.base ?? $0 }
        return (Set(names).sorted(), nil)
    }

    /// What a part's weights lack.
    private func faults(of part: String, given: String?) -> [String] {
        if let file = given ?? originalParts?[part] {
            guard Self.isThere(file) else { return [file] }
            return Self.isFolder(file)
                ? ComponentFolder.missing(in: file, needsConfiguration: false) : Self.foreign(file)
        }
        guard let folder, originalParts == nil else {
            return ["a file or folder of the \(part.replacing("_", with: " "))"]
        }
        let path = "\(folder)/\(part)"
        return Self.isFolder(path) ? ComponentFolder.missing(in: path, needsConfiguration: true) : ["\(path)/"]
    }

    private func tokenizerFault(_ name: String, encoder: String?) -> String? {
        do {
            let folder = try tokenizerFolder(name).path
            let files = ["tokenizer.json", "spiece.model", "vocab.json"]
            guard !files.contains(where: { Self.isThere("\(folder)/\($0)") }) else { return nil }
            return "\(folder)/tokenizer.json"
        } catch {
            let file = encoder ?? originalParts?["text_encoder"] ?? folder.map { "\($0)/text_encoder" }
            if let file, let opened = try? Checkpoint(toRecognise: file), CarriedTokenizer.isCarried(by: opened) {
                return nil
            }
            return folder.map { "\($0)/\(name)/" } ?? "a tokenizer, in the text encoder's file or as a folder"
        }
    }

    private static func foreign(_ file: String) -> [String] {
        ComponentFolder.foreign(file).map { ["\(file): it is \($0)"] } ?? []
    }

    private static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
}
