import Diffusion
import Foundation
import Models
import Tensor
import Weights

/// Opening checks every configuration, every file's header and every tensor's shape, and reads next to nothing.
extension Pipeline {
    /// A diffusers folder of a known family, optionally with a `phases.json` of its generators.
    package convenience init(
        folder: String, compute: Compute, adapters: [ModelFiles.AdapterFile] = [], residency: Residency? = nil
    ) throws {
        var files = ModelFiles(folder: folder)
        files.adapters = adapters
        try self.init(files, compute: compute, residency: residency)
    }

    /// - Parameters:
    ///   - autoencoderCompute: nil for `compute`.
    ///   - residency: decides which weights are in memory; nil leaves it to the system.
    ///   - id: what requests name the model by; nil for the files' own name.
    /// - Throws: `ModelError`, `NetworkError`, `WeightError`, `DiffusionError` or `TextError`; each names the file
    ///   and the field or key.
    package convenience init(
        _ files: ModelFiles, compute: Compute, vaeCompute autoencoderCompute: Compute? = nil,
        residency: Residency? = nil, id: String? = nil
    ) throws {
        let family = try files.family()
        let generators = try Self.generators(files, family)
        if let stray = generators.generators.first(where: { $0.grid.isDiscrete != family.traits.isDiscrete }) {
            throw ModelError.unsupported(
                folder: files.phasesFile ?? files.source,
                reason: "generator \"\(stray.name)\" walks "
                    + (family.traits.isDiscrete
                        ? "sigmas of a flow; \(family.name) knows the 1000 times of Stable Diffusion ('discrete')"
                        : "the 1000 times of Stable Diffusion ('discrete'); \(family.name) knows sigmas of a flow"))
        }
        var opening = Opening(files: files, family: family, generators: generators)
        let promptEncoder = try opening.openText(compute.unquantized)
        let networks = try opening.openExperts(compute)
        let decoding = (autoencoderCompute ?? compute).unquantized
        let autoencoder = try opening.openAutoencoder(for: networks, decoding)
        let parts = Parts(
            promptEncoder: promptEncoder, networks: networks, autoencoder: autoencoder,
            pictureEncoder: autoencoder is any TinyAutoencoder ? nil : family.pictureEncoder(autoencoder),
            tiny: try opening.openTiny(beside: autoencoder, decoding))
        let id = id ?? files.id
        let library = try files.loras.map(LoRALibrary.init(folder:))
        let texts = try opening.adaptedTexts(library, compute.unquantized)
        self.init(
            id: id, source: files.source, traits: try files.index().map(family.traits) ?? family.traits,
            generators: generators,
            sizes: try opening.sizes(parts), components: opening.components, parts: parts,
            adapted: AdaptedNetworks(library, sources: opening.sources, family: family, compute: compute),
            adaptedTexts: texts,
            residency: ModelResidency(residency, model: id, weights: opening.weights),
            identities: PartIdentities(opening.identities),
            arithmetic: compute.arithmetic)
    }

    /// What `phases.json` says, else diffusers' own way to run the folder. Whoever names adapters or experts has them for
    /// their few steps: then the family's student comes first.
    static func generators(_ files: ModelFiles, _ family: any ModelFamily) throws -> GeneratorSet {
        if let phases = files.phasesFile {
            guard let json = FileManager.default.contents(atPath: phases) else {
                throw ModelError.notAModel(folder: phases, reason: "the file cannot be read")
            }
            return try GeneratorSet(phases: json)
        }
        if let parts = files.originalParts {
            // Its weights are the teacher's, unless something is put on them.
            let own = try family.generators(experts: parts["transformer_2"] == nil ? 1 : 2)
            let isStudent = !files.adapters.isEmpty || !files.experts.isEmpty
            return try GeneratorSet(own, default: own[isStudent ? 0 : own.count - 1].name)
        }
        guard let folder = files.folder, let index = try files.index() else {
            let own = try family.generators(experts: files.experts.count)
            return try GeneratorSet(own, default: own[0].name)
        }
        let described = try GeneratorSet(folder: URL(fileURLWithPath: folder)) { family.published(index, experts: $0) }
        guard let spec = described.generators.first else { return described }
        var generators = try family.generators(publishedAs: spec)
        if !files.adapters.isEmpty || !files.experts.isEmpty {
            let student = try family.generators(experts: spec.plan.experts.count)[0]
            generators.removeAll { $0.name == student.name }
            generators.insert(student, at: 0)
        }
        var set = try GeneratorSet(generators, default: generators[0].name)
        set.note = described.note
        return set
    }
}

/// A model while it is opened, part by part.
private struct Opening {
    let files: ModelFiles
    let family: any ModelFamily
    let generators: GeneratorSet

    private(set) var components: [Pipeline.Component] = []
    /// The weights of each part, in the order in which a pass reads them.
    private(set) var weights: [Part: [Weight]] = [:]
    private(set) var identities: [Part: @Sendable () -> String] = [:]
    private(set) var sources: [String: AdaptedNetworks.Source] = [:]
    /// The LoRA files on each expert.
    private var loras: [String: [(file: Checkpoint, strength: Float)]] = [:]
    private var texts: [Checkpoint] = []

    init(files: ModelFiles, family: any ModelFamily, generators: GeneratorSet) {
        let experts = generators.generators.flatMap(\.plan.experts)
        self.files = files.named(as: Set(experts + experts.compactMap { generators.adaptedExperts[$0]?.base }))
        self.family = family
        self.generators = generators
    }

    mutating func openText(_ compute: Compute) throws -> any PromptEncoder {
        for (index, part) in family.textEncoders.enumerated() {
            texts.append(
                try files.open(
                    part.folder, .textEncoder, file: index == 0 ? files.textEncoder : nil, keys: part.keys,
                    neededBy: "the pipeline"))
        }
        if let tower = try files.openVisionTower(for: family) { texts[0] = texts[0].joined(with: tower) }
        let readers = try family.textReaders(texts)
        var tokenizers: [URL] = []
        let encoder = try family.promptEncoder(
            readers,
            tokenizer: { name in
                let folder = try files.tokenizerFolder(name)
                tokenizers.append(folder)
                return folder
            }, compute: compute)
        let ordered = family.textEncoders.compactMap { readers[$0.folder] }
        for (part, reader) in zip(family.textEncoders, ordered) {
            components.append(Pipeline.Component(part.folder, reader.checkpoint, unusedKeys: reader.unusedKeys))
        }
        if let part = family.traits.course.first(where: { $0.kind == .text })?.part {
            weights[part] = ordered.flatMap(\.streamed)
            identities[part] = { [tokenizers] in
                PartIdentities.text(ordered.map(\.checkpoint), tokenizers: tokenizers)
            }
        }
        return encoder
    }

    /// Each base is mapped once, however many experts it serves.
    mutating func openExperts(_ compute: Compute) throws -> [String: any DenoisingNetwork] {
        var bases: [String: Checkpoint] = [:]
        var networks: [String: any DenoisingNetwork] = [:]
        for generator in generators.generators {
            for name in generator.plan.experts where networks[name] == nil {
                let adapted = generators.adaptedExperts[name]
                let base = adapted?.base ?? name
                let checkpoint =
                    try bases[base]
                    ?? files.open(
                        base, .expert, file: files.experts[base], keys: family.networkKeys,
                        neededBy: "generator \"\(generator.name)\"")
                let opened = try files.adapters(of: name, adapted).map {
                    (file: try Checkpoint(path: $0.path), strength: $0.strength)
                }
                loras[name] = opened
                let targets = AdapterTargets(checkpoint, keys: family.networkKeys)
                let updates = try opened.filter { !Adapter.isForTextOnly($0.file) }.map { lora, strength in
                    try Families.requireAdapter(lora, of: family)
                    return try Adapter(lora, strength: strength, expert: base, targets: targets)
                }
                let reader = WeightReader(checkpoint, adapters: updates)
                networks[name] = try family.network(reader, compute: compute)
                try reader.requireAdaptersUsed()
                sources[name] = AdaptedNetworks.Source(base: base, weights: checkpoint, adapters: updates)
                if bases.updateValue(checkpoint, forKey: base) == nil {
                    components.append(Pipeline.Component(base, checkpoint, unusedKeys: reader.unusedKeys))
                }
                for (lora, _) in opened {
                    components.append(Pipeline.Component("\(name) LoRA", lora, unusedKeys: []))
                }
                weights[Part(name)] = reader.streamed
                identities[Part(name)] = { PartIdentities.expert(checkpoint, opened) }
            }
        }
        for adapter in files.adapters where adapter.expert.flatMap({ networks[$0] }) == nil {
            let experts = networks.keys.sorted()
            throw adapter.expert.map { .noSuchExpert(name: $0, file: adapter.path, experts: experts) }
                ?? ModelError.noExpertNamed(file: adapter.path, experts: experts)
        }
        if let stray = files.experts.keys.sorted().first(where: { bases[$0] == nil }) {
            throw ModelError.noSuchExpert(
                name: stray, file: files.experts[stray] ?? "", experts: bases.keys.sorted())
        }
        return networks
    }

    /// The text side with the LoRA files on it, each of which fits.
    func adaptedTexts(_ library: LoRALibrary?, _ compute: Compute) throws -> AdaptedTexts {
        let texts = AdaptedTexts(
            library, opened: loras,
            source: AdaptedTexts.Source(weights: texts, tokenizer: { [files] in try files.tokenizerFolder($0) }),
            family: family, compute: compute)
        for generator in generators.generators {
            let side = texts.side(of: generator.plan.experts, loras: [])
            if side != .plain { _ = try texts.encoder(of: side) }
        }
        return texts
    }

    /// The family's own autoencoder, or a tiny one if its file was named in place of it.
    mutating func openAutoencoder(
        for networks: [String: any DenoisingNetwork], _ compute: Compute
    ) throws -> any Autoencoder {
        let part = family.autoencoder
        if let tiny = try tiny(in: files.vae, for: networks, compute) {
            guard family.traits.pictures.first != .required else {
                throw ModelError.unsupported(
                    folder: tiny.reader.checkpoint.path,
                    reason: "a tiny autoencoder cannot encode the pictures that \(family.name) starts from; give the "
                        + "large one as --vae, and this file as --preview-vae")
            }
            add(tiny.reader, as: Part(part.folder))
            return tiny.autoencoder
        }
        let reader = WeightReader(
            try files.open(part.folder, .vae, file: files.vae, keys: part.keys, neededBy: "the pipeline"))
        let autoencoder = try family.autoencoder(reader, compute: compute)
        add(reader, as: Part(part.folder))
        return autoencoder
    }

    /// The tiny autoencoder whose file was named, if one was.
    mutating func openTiny(
        beside own: any Autoencoder, _ compute: Compute
    ) throws -> (any TinyAutoencoder)? {
        guard let file = files.previewVAE else { return nil }
        let reader = WeightReader(try Checkpoint(path: file))
        let tiny = try TinyAutoencoders.open(reader, compute: compute)
        try TinyAutoencoders.require(tiny, file: file, for: family, channels: own.channels, own: own)
        add(reader, as: Pipeline.tinyPart)
        return tiny
    }

    /// What a file holds if that is a tiny autoencoder, which must be one for the networks.
    private func tiny(
        in file: String?, for networks: [String: any DenoisingNetwork], _ compute: Compute
    ) throws -> (autoencoder: any TinyAutoencoder, reader: WeightReader)? {
        guard let file else { return nil }
        let checkpoint = try Checkpoint(path: file)
        guard TinyAutoencoders.recognise(checkpoint) != nil else { return nil }
        let reader = WeightReader(checkpoint)
        let tiny = try TinyAutoencoders.open(reader, compute: compute)
        let cells = family.traits.packing * family.traits.packing
        let channels = networks.values.first.map { $0.channels / cells }
        try TinyAutoencoders.require(tiny, file: file, for: family, channels: channels ?? tiny.channels)
        return (tiny, reader)
    }

    private mutating func add(_ reader: WeightReader, as part: Part) {
        components.append(Pipeline.Component(part.name, reader.checkpoint, unusedKeys: reader.unusedKeys))
        weights[part] = reader.streamed
        identities[part] = { reader.checkpoint.contentDigest }
    }

    /// What sizes the model makes, after checking that its parts go together.
    func sizes(_ parts: Pipeline.Parts) throws -> SizeLimits {
        let (autoencoder, packing) = (parts.autoencoder, family.traits.packing)
        let sorted = parts.networks.sorted { $0.key < $1.key }
        let patch = sorted.last?.value.patch ?? [1, 1, 1]
        guard patch[1] == patch[2] else {
            throw ModelError.unsupported(folder: files.source, reason: "patches of \(patch[1]) by \(patch[2])")
        }
        let sizes = try SizeLimits.read(
            phases: files.phasesFile, sideMultiple: autoencoder.spatialFactor * packing * patch[1],
            frameMultiple: autoencoder.temporalFactor * patch[0], family: family.traits.defaults)
        let cells = packing * packing
        for (name, network) in sorted {
            guard network.channels == autoencoder.channels * cells else {
                throw ModelError.notAModel(
                    folder: files.source,
                    reason: "\(name) works on \(network.channels) channels, the vae has \(autoencoder.channels) (z_dim)"
                        + (cells > 1 ? ", times \(cells) when packed" : ""))
            }
            guard network.textWidth == parts.promptEncoder.width else {
                throw ModelError.notAModel(
                    folder: files.source,
                    reason: "\(name) reads text of width \(network.textWidth), the text encoder gives "
                        + "\(parts.promptEncoder.width)")
            }
        }
        return sizes
    }
}
