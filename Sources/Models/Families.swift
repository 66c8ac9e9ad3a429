import Tensor
import Weights

/// The families of models that there are. This list is the one place outside a family's folder that names the family.
package enum Families {
    package static let all: [any ModelFamily] = [
        WanFamily(), WanImageToVideoFamily(), WanTextImageToVideoFamily(), QwenImageFamily(), QwenImageEditFamily(),
        ZImageFamily(), Flux2Family(), SDXLFamily(), SanaSprintFamily(), SanaFamily(),
    ]

    /// The family that runs a diffusers folder.
    /// - Throws: `ModelError.unsupported`, which names the class and, for relatives, what to use instead.
    package static func family(of index: ModelIndex, folder: String) throws(ModelError) -> any ModelFamily {
        if let family = all.first(where: { $0.runs(index) }) { return family }
        let name = index.pipelineClass
        if let reason = all.lazy.compactMap({ $0.refusal(ofPipelineClass: name) }).first {
            throw .unsupported(folder: folder, reason: "\(name): \(reason)")
        }
        let known = Set(all.flatMap(\.pipelineClasses)).sorted().joined(separator: ", ")
        throw .unsupported(folder: folder, reason: "pipeline class \(name); known are \(known)")
    }

    /// The folders of networks in diffusers layout, one for each kind: where there are several, that of the first.
    package static var networkFolders: [String] {
        let names = all.compactMap { try? $0.generators(experts: 1).first?.plan.experts.first }
        return names.indices.filter { names.firstIndex(of: names[$0]) == $0 }.map { names[$0] }
    }

    /// The checks of fixture folders of that name: a family's, or those of the tiny autoencoders.
    package static func checks(named name: String, folder: String, compute: Compute) -> (any FamilyChecks)? {
        name == TinyChecks.name
            ? TinyChecks(folder: folder, compute: compute)
            : family(named: name)?.checks(folder: folder, compute: compute)
    }

    /// What there is to pull by one name, the smallest first.
    package static var knownSets: [KnownSet] {
        all.flatMap(\.knownSets).sorted { ($0.variants.last?.bytes ?? 0) < ($1.variants.last?.bytes ?? 0) }
    }

    package static func family(named name: String) -> (any ModelFamily)? { all.first { $0.name == name } }

    /// The families whose networks have modules of the names that a LoRA file has.
    package static func families(ofAdapter file: Checkpoint) -> [any ModelFamily] {
        guard let content = try? AdapterFile(file) else { return [] }
        return all.filter { $0.ownsAdapter(modules: content.names(by: $0.networkKeys)) }
    }

    /// Makes sure that a LoRA file is not another family's.
    /// - Throws: `WeightError.unusableAdapter` that names the family.
    package static func requireAdapter(_ file: Checkpoint, of family: any ModelFamily) throws(WeightError) {
        let owners = families(ofAdapter: file)
        guard let owner = owners.first, !owners.contains(where: { $0.name == family.name }) else { return }
        throw .unusableAdapter(file: file.path, reason: "it is a LoRA for \(owner.name), not for \(family.name)")
    }
}
