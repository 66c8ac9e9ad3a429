import Models
import Support
import Synchronization
import Tensor
import Weights

/// The experts' networks with LoRA files of requests on them: built unmerged over the bases that the model has mapped,
/// which are not touched. A few are kept, for all who use them; each holds copies of the expert's biases and norms.
final class AdaptedNetworks: Sendable {
    /// What an expert is built from.
    struct Source: Sendable {
        /// The folder of the base's weights.
        let base: String
        let weights: Checkpoint
        /// The adapters with which the model was opened.
        let adapters: [Adapter]
    }

    private struct Key: Equatable {
        let expert: String
        let loras: [LoRA]
    }

    private let library: LoRALibrary?
    private let sources: [String: Source]
    private let family: any ModelFamily
    private let compute: Compute
    private let recent = Mutex(RecentlyUsed<Key, any DenoisingNetwork>(capacity: 16))

    init(_ library: LoRALibrary?, sources: [String: Source], family: any ModelFamily, compute: Compute) {
        self.library = library
        self.sources = sources
        self.family = family
        self.compute = compute
    }

    var names: [String] { library?.names ?? [] }

    /// Finds the files of `loras` and makes sure that they fit the experts they are for.
    /// - Parameters:
    ///   - experts: of the generator that will run.
    ///   - texts: what the files may change besides.
    /// - Throws: `ModelError` that says which file does not, and why.
    func settle(_ loras: [LoRA], for experts: [String], texts: AdaptedTexts?) throws -> SettledLoRAs {
        guard let first = loras.first else { return .none }
        guard let library else { throw ModelError.noSuchLoRA(name: first.name, known: []) }
        var all: [LoRA] = []
        var byExpert: [String: [LoRA]] = [:]
        var text: [LoRA] = []
        for lora in loras {
            let file = try library.file(of: lora)
            let found = LoRA(name: lora.name, strength: lora.strength, expert: lora.expert, digest: file.digest)
            let wanted = experts.filter(found.isFor)
            guard let first = wanted.first else {
                throw ModelError.unusableLoRA(
                    reason: "\(lora.name) is for the expert '\(lora.expert ?? "")', but the generator has "
                        + experts.joined(separator: ", "))
            }
            let served = wanted.filter { expert in
                sources[expert].map { Adapter.hasKeys(of: $0.base, in: file.checkpoint) } ?? false
            }
            all.append(found)
            if lora.strength != 0, Adapter.hasTextKeys(in: file.checkpoint) { text.append(found) }
            guard !Adapter.isForTextOnly(file.checkpoint) else { continue }
            // For none of them: building one says why.
            for expert in lora.expert != nil ? wanted : served.isEmpty ? [first] : served {
                byExpert[expert, default: []].append(found)
            }
        }
        for (expert, loras) in byExpert { _ = try network(expert, loras) }
        if let texts, !text.isEmpty { _ = try texts.encoder(of: texts.side(of: experts, loras: text)) }
        return SettledLoRAs(
            all: all, byExpert: byExpert.mapValues { $0.filter { $0.strength != 0 } }, text: text)
    }

    /// - Throws: `ModelError` if a file does not fit, or is not what it was when the request was settled.
    func network(_ expert: String, _ loras: [LoRA]) throws -> any DenoisingNetwork {
        let key = Key(expert: expert, loras: loras)
        if let known = recent.withLock({ $0.value(of: key) }) { return known }
        guard let library, let source = sources[expert] else {
            throw ModelError.noSuchLoRA(name: loras.first?.name ?? "", known: [])
        }
        do {
            let targets = AdapterTargets(source.weights, keys: family.networkKeys)
            let added = try loras.map { lora in
                let file = try library.file(of: lora).checkpoint
                try Families.requireAdapter(file, of: family)
                return try Adapter(file, strength: lora.strength, expert: source.base, targets: targets)
            }
            let reader = WeightReader(source.weights, adapters: source.adapters + added)
            let network = try family.network(reader, compute: compute)
            try reader.requireAdaptersUsed()
            recent.withLock { $0.keep(network, as: key) }
            return network
        } catch let error as WeightError {
            throw library.unusable(error)
        }
    }
}
