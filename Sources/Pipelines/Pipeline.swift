import Diffusion
import Foundation
import Models
import PromptText
import Tensor
import Weights

/// An open model: text encoder, experts and VAE over mapped weights, and the generators that use them.
///
/// Opening checks every configuration, every file's header and every tensor's shape, and reads next to nothing.
package final class Pipeline: Sendable {
    /// The folder's name, else that of the first expert's file.
    package let id: String
    /// The folder, else the first expert's file.
    package let source: String
    package let generators: GeneratorSet
    package let sizes: SizeLimits
    package let components: [Component]
    package let vae: WanVAE
    let family: any ModelFamily
    let promptEncoder: any PromptEncoder
    let experts: [String: any ExpertNetwork]
    let adapted: AdaptedNetworks
    private let residency: ModelResidency
    private let identities: [Resident: String]

    /// One part of the model on disk.
    package struct Component: Sendable {
        package let name: String
        package let files: [(path: String, bytes: Int)]
        package let parameters: Int
        /// Element types, most bytes first.
        package let types: String
        /// Keys in its files that nothing reads.
        package let unusedKeys: [String]

        init(_ name: String, _ checkpoint: Checkpoint, unusedKeys: [String]) {
            self.name = name
            files = checkpoint.files
            parameters = checkpoint.parameterCount
            types = checkpoint.typeSummary
            self.unusedKeys = unusedKeys
        }
    }

    /// A diffusers folder of a known family, optionally with a `phases.json` of its generators.
    package convenience init(
        folder: String, compute: Compute, adapters: [ModelFiles.AdapterFile] = [], residency: Residency? = nil
    ) throws {
        var files = ModelFiles(folder: folder)
        files.adapters = adapters
        try self.init(files, compute: compute, residency: residency)
    }

    /// - Parameter residency: decides which weights are in memory; nil leaves it to the system.
    /// - Throws: `PipelineError`, `NetworkError`, `WeightError`, `DiffusionError` or `TextError`; each names the file
    ///   and the field or key.
    package init(
        _ files: ModelFiles, compute: Compute, vaeCompute: Compute? = nil, residency: Residency? = nil
    ) throws {
        let family = try files.family()
        self.family = family
        id = files.id
        source = files.source
        generators = try Self.generators(files, family)

        var components: [Component] = []
        var residents: [Resident: [Weight]] = [:]
        let textWeights = try files.open(
            "text_encoder", .textEncoder, file: files.textEncoder, keys: family.textEncoderKeys,
            neededBy: "the pipeline")
        let textReader = WeightReader(textWeights)
        let tokenizer = try files.tokenizerFolder()
        promptEncoder = try family.promptEncoder(textReader, tokenizer: tokenizer, compute: compute.unquantized)
        components.append(Component("text_encoder", textWeights, unusedKeys: textReader.unusedKeys))
        residents[.textEncoder] = textReader.streamed
        let identity = PartIdentity(compute)
        var identities = [
            Resident.textEncoder: identity.of(weights: textWeights.files.map(\.path), folder: tokenizer.path)
        ]

        // Each base is mapped once, however many experts it serves.
        var bases: [String: Checkpoint] = [:]
        var experts: [String: any ExpertNetwork] = [:]
        var sources: [String: AdaptedNetworks.Source] = [:]
        for generator in generators.generators {
            for name in generator.plan.experts where experts[name] == nil {
                let adapted = generators.adaptedExperts[name]
                let base = adapted?.base ?? name
                let weights =
                    try bases[base]
                    ?? files.open(
                        base, .expert, file: files.experts[base], keys: family.transformerKeys,
                        neededBy: "generator \"\(generator.name)\"")
                let loras = files.adapters(of: name, adapted)
                let updates = try loras.map {
                    try Adapter(
                        file: $0.path, strength: $0.strength, expert: base, rename: family.transformerKeys.rename)
                }
                let reader = WeightReader(weights, adapters: updates)
                experts[name] = try family.network(reader, compute: compute)
                try reader.requireAdaptersUsed()
                sources[name] = AdaptedNetworks.Source(base: base, weights: weights, adapters: updates)
                if bases.updateValue(weights, forKey: base) == nil {
                    components.append(Component(base, weights, unusedKeys: reader.unusedKeys))
                }
                for lora in loras {
                    components.append(Component("\(name) LoRA", try Checkpoint(file: lora.path), unusedKeys: []))
                }
                residents[.expert(name)] = reader.streamed
                identities[.expert(name)] = identity.of(
                    weights: weights.files.map(\.path) + loras.map(\.path), notes: loras.map { "\($0.strength)" })
            }
        }
        if let stray = files.adapters.first(where: { experts[$0.expert] == nil }) {
            throw PipelineError.noSuchExpert(name: stray.expert, file: stray.path, experts: experts.keys.sorted())
        }
        if let stray = files.experts.keys.sorted().first(where: { bases[$0] == nil }) {
            throw PipelineError.noSuchExpert(
                name: stray, file: files.experts[stray] ?? "", experts: bases.keys.sorted())
        }
        self.experts = experts
        adapted = AdaptedNetworks(
            try files.loras.map(LoRALibrary.init(folder:)), sources: sources, family: family, compute: compute)

        let vaeWeights = try files.open(
            "vae", .vae, file: files.vae, keys: WanKeys.vae, neededBy: "the pipeline")
        let vaeReader = WeightReader(vaeWeights)
        let vaeConfig = try WanVAEConfig.of(vaeWeights)
        vae = try WanVAE(vaeReader, config: vaeConfig, compute: (vaeCompute ?? compute).unquantized)
        components.append(Component("vae", vaeWeights, unusedKeys: vaeReader.unusedKeys))
        residents[.vae] = vaeReader.streamed
        self.residency = ModelResidency(residency, model: id, weights: residents)
        self.identities = identities
        self.components = components

        let sorted = experts.sorted { $0.key < $1.key }
        let patch = sorted.last?.value.patch ?? [1, 1, 1]
        guard patch[1] == patch[2] else {
            throw PipelineError.unsupported(folder: source, reason: "patches of \(patch[1]) by \(patch[2])")
        }
        sizes = try SizeLimits.read(
            phases: files.phasesFile, sideMultiple: vaeConfig.spatialFactor * family.packing * patch[1],
            frameMultiple: vaeConfig.temporalFactor * patch[0], family: family.defaults)
        for (name, network) in sorted { try check(network, name) }
    }

    /// What `phases.json` says, else diffusers' own way to run the folder. Whoever names adapters or experts has them for
    /// their few steps: then the family's student comes first.
    private static func generators(_ files: ModelFiles, _ family: any ModelFamily) throws -> GeneratorSet {
        if let phases = files.phasesFile {
            guard let json = FileManager.default.contents(atPath: phases) else {
                throw PipelineError.notAModel(folder: phases, reason: "the file cannot be read")
            }
            return try GeneratorSet(phases: json)
        }
        guard let folder = files.folder else {
            let own = try family.generators(experts: files.experts.count)
            return try GeneratorSet(own, default: own[0].name)
        }
        let published = try GeneratorSet(folder: URL(fileURLWithPath: folder))
        guard !files.adapters.isEmpty || !files.experts.isEmpty, let spec = published.generators.first else {
            return published
        }
        let student = try family.generators(experts: spec.plan.experts.count)[0]
        return try GeneratorSet([student] + published.generators, default: student.name)
    }

    /// Whether an expert goes with the VAE and the text encoder.
    private func check(_ network: any ExpertNetwork, _ name: String) throws {
        let cells = family.packing * family.packing
        guard network.channels == vae.config.zDim * cells else {
            throw PipelineError.notAModel(
                folder: source,
                reason: "\(name) works on \(network.channels) channels, the vae has \(vae.config.zDim) (z_dim)"
                    + (cells > 1 ? ", times \(cells) when packed" : ""))
        }
        guard network.textWidth == promptEncoder.width else {
            throw PipelineError.notAModel(
                folder: source,
                reason: "\(name) reads text of width \(network.textWidth), the text encoder gives "
                    + "\(promptEncoder.width)")
        }
    }

    // MARK: Residency

    /// Tells what is about to compute, in order: one entry for each pass through its weights (a prompt, a step, a
    /// decode). The first is hot; those after it are read ahead as memory allows. Replaces what was told before.
    package func expect(_ passes: [Resident]) { residency.expect(passes) }

    /// Bytes of weights that each pass through that part reads; 0 for a part the model does not have.
    package func weightBytes(of resident: Resident) -> Int { residency.bytes(of: resident) }

    /// Stands for what the text encoder or an expert makes of its input: files, adapters and arithmetic.
    package func identity(of part: Resident) -> String { identities[part] ?? "" }

    /// What is in memory; nil without a residency.
    package var residencyReport: ResidencyReport? { residency.report }

    // MARK: What a generation needs

    /// The prompt as the text encoder sees it: what is cleaned to the same text has the same embedding.
    package func cleaned(_ prompt: String) -> String { promptEncoder.cleaned(prompt) }

    /// Tokens that the text encoder makes of a prompt; of more than `maximumTokens` it would not see the rest.
    package func tokenCount(of prompt: String) -> Int { promptEncoder.tokenCount(of: prompt) }

    package var maximumTokens: Int { promptEncoder.length }

    /// Whether guidance is on without a negative prompt, against the empty one.
    package var guidesWithoutNegativePrompt: Bool { family.guidesWithoutNegativePrompt }

    /// Cleans, tokenises and encodes a prompt.
    /// - Parameter interrupt: called before each layer; throwing ends the encoding.
    package func encode(_ prompt: String, interrupt: () throws -> Void = {}) throws -> Conditioning {
        let rows = try residency.pass(through: .textEncoder) { check in
            try promptEncoder.rows(of: prompt) {
                try interrupt()
                try check()
            }
        }
        defer { Arena.shared.giveBack() }
        return Conditioning(
            TextEmbedding(rows: Tensor.lasting(rows.copy), paddedLength: family.paddedTextLength))
    }

    /// The expert of that name; every name in `generators` has one.
    /// - Parameters:
    ///   - loras: what a request puts on it, as `settle` gave them.
    ///   - interrupt: called before each transformer block of each step.
    package func expert(
        _ name: String, loras: [LoRA] = [], interrupt: @escaping @Sendable () throws -> Void = {}
    ) throws -> Expert {
        guard let network = loras.isEmpty ? experts[name] : try adapted.network(name, loras) else {
            throw PipelineError.missingComponent(folder: source, component: name, neededBy: "a step")
        }
        return Expert(name: name, loras: loras, network: network, residency: residency, interrupt: interrupt)
    }

    /// `[channels, F, H, W]` of the latent that is diffused for a picture (`frames` 1) or clip.
    package func latentShape(width: Int, height: Int, frames: Int) -> [Int] {
        let (config, packing) = (vae.config, family.packing)
        let cell = config.spatialFactor * packing
        return [
            config.zDim * packing * packing, (frames - 1) / config.temporalFactor + 1, height / cell, width / cell,
        ]
    }

    /// A generation at its first step.
    ///
    /// - Parameters:
    ///   - generator: nil for the model's default.
    ///   - steps, guidanceScale, guidanceScale2: nil for the generator's own.
    /// - Throws: `DiffusionError` for steps or scales the generator does not take.
    /// - Precondition: width, height and frames are ones that `sizes` does not refuse.
    package func makeGeneration(
        seed: UInt64, width: Int, height: Int, frames: Int, generator: String? = nil, steps: Int? = nil,
        guidanceScale: Float? = nil, guidanceScale2: Float? = nil
    ) throws -> Generation {
        let spec = try generators.generator(generator)
        let shape = latentShape(width: width, height: height, frames: frames)
        let tokens = shape[1] * sizes.tokens(width: width, height: height)
        return try Generation(
            seed: seed, latentShape: shape, generator: spec, schedule: try spec.schedule(steps: steps, tokens: tokens),
            guidance: Guidance(
                rule: family.guidanceRule, plan: spec.plan, guidanceScale: guidanceScale,
                guidanceScale2: guidanceScale2))
    }

    /// Decodes a latent `[C, F, H, W]` and hands on frames `[T, H, W, 3]` in [0, 1] as they are ready.
    ///
    /// - Parameter interrupt: called before each residual block of each latent frame.
    /// - Throws: `PipelineError.notFinite` instead of a black picture.
    package func decode(
        _ latent: Tensor, interrupt: () throws -> Void = {}, onFrames: (Tensor) throws -> Void
    ) throws {
        defer { Arena.shared.giveBack() }
        try residency.pass(through: .vae) { check in
            try vae.decode(unpacked(latent, by: family.packing), interrupt: interrupt) { frames in
                try check()
                guard Self.scaleToUnit(frames) else { throw PipelineError.notFinite(stage: "VAE") }
                try onFrames(frames)
            }
        }
    }

    /// From [-1, 1] to [0, 1], clamped, in place.
    /// - Returns: whether all values are finite.
    private static func scaleToUnit(_ frames: Tensor) -> Bool {
        frames.withUnsafeMutable { values in
            // Without a branch, so that it is done sixteen at a time.
            var strange: UInt32 = 0
            for index in values.indices {
                let value = values[index]
                let unit = value * 0.5 + 0.5
                strange |= value.magnitude <= .greatestFiniteMagnitude ? 0 : 1
                values[index] = unit < 0 ? 0 : unit > 1 ? 1 : unit
            }
            return strange == 0
        }
    }
}
