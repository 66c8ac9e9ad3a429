import Weights

/// The families of models that there are. This list is the one place outside a family's folder that names the family.
package enum Families {
    package static let all: [any ModelFamily] = [WanFamily(), QwenImageFamily(), ZImageFamily(), Flux2Family()]

    /// The family that runs a diffusers folder.
    /// - Throws: `ModelError.unsupported`, which names the class and, for relatives, what to use instead.
    package static func family(ofPipelineClass name: String, folder: String) throws(ModelError) -> any ModelFamily {
        if let family = all.first(where: { $0.pipelineClasses.contains(name) }) { return family }
        if let reason = all.lazy.compactMap({ $0.refusal(ofPipelineClass: name) }).first {
            throw .unsupported(folder: folder, reason: "\(name): \(reason)")
        }
        let known = all.flatMap(\.pipelineClasses).sorted().joined(separator: ", ")
        throw .unsupported(folder: folder, reason: "pipeline class \(name); known are \(known)")
    }

    package static func family(named name: String) -> (any ModelFamily)? { all.first { $0.name == name } }

    /// The family whose network a LoRA file belongs to, told by its module names.
    package static func family(ofAdapter file: Checkpoint) -> (any ModelFamily)? {
        guard let content = try? AdapterFile(file) else { return nil }
        return all.first { $0.ownsAdapter(modules: content.names(by: $0.networkKeys)) }
    }

    /// Makes sure that a LoRA file is not another family's.
    /// - Throws: `WeightError.unusableAdapter` that names the family.
    package static func requireAdapter(_ file: Checkpoint, of family: any ModelFamily) throws(WeightError) {
        guard let owner = self.family(ofAdapter: file), owner.name != family.name else { return }
        // Some names are those of several families; what does not fit is found when it is put on.
        if let content = try? AdapterFile(file), family.ownsAdapter(modules: content.names(by: family.networkKeys)) {
            return
        }
        throw .unusableAdapter(file: file.path, reason: "it is a LoRA for \(owner.name), not for \(family.name)")
    }
}
