import Weights

/// The families of models that there are. This list is the one place outside a family's folder that names the family.
package enum Families {
    package static let all: [any ModelFamily] = [WanFamily(), QwenImageFamily()]

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
        all.first { family in
            guard
                let adapter = try? Adapter(
                    file, strength: 1, expert: Adapter.hasKeys(of: "transformer", in: file) ? "transformer" : "transformer_2",
                    rename: family.networkKeys.rename)
            else { return false }
            return family.ownsAdapter(modules: adapter.updates.keys)
        }
    }
}
