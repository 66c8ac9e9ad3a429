import Diffusion
import Foundation
import Models
import Pictures
import Tensor
import Weights

/// An open model: a text side, experts and an autoencoder over mapped weights, and the generators that use them.
package final class Pipeline: Sendable {
    /// What requests name it by: the folder's name, else that of the first expert's file.
    package let id: String
    /// The folder, else the first expert's file.
    package let source: String
    package let traits: FamilyTraits
    package let generators: GeneratorSet
    package let sizes: SizeLimits
    package let components: [Component]
    package let parts: Parts
    let adapted: AdaptedNetworks?
    let adaptedTexts: AdaptedTexts?
    package let residency: any PartResidency
    private let partIdentities: PartIdentities
    /// Within one such arithmetic results agree to the bit (`Compute.arithmetic`).
    package let arithmetic: String

    /// What computes.
    package struct Parts: Sendable {
        package let promptEncoder: any PromptEncoder
        /// The networks by the names of their experts.
        package let networks: [String: any DenoisingNetwork]
        package let autoencoder: any Autoencoder
        /// The encoder of given pictures; nil where the network reads no pictures.
        package let pictureEncoder: (any PictureEncoder)?
        /// A tiny autoencoder beside the model's own.
        package let tiny: (any TinyAutoencoder)?

        package init(
            promptEncoder: any PromptEncoder, networks: [String: any DenoisingNetwork], autoencoder: any Autoencoder,
            pictureEncoder: (any PictureEncoder)? = nil, tiny: (any TinyAutoencoder)? = nil
        ) {
            self.promptEncoder = promptEncoder
            self.networks = networks
            self.autoencoder = autoencoder
            self.pictureEncoder = pictureEncoder
            self.tiny = tiny
        }
    }

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

    /// A model whose parts are open already; `Pipeline+Opening.swift` opens them from files.
    /// - Parameter source: the model's folder, if it has one.
    package convenience init(
        id: String, source: String? = nil, traits: FamilyTraits, generators: GeneratorSet, sizes: SizeLimits,
        parts: Parts,
        residency: any PartResidency, identities: PartIdentities
    ) {
        self.init(
            id: id, source: source ?? id, traits: traits, generators: generators, sizes: sizes, components: [],
            parts: parts, adapted: nil, adaptedTexts: nil, residency: residency, identities: identities, arithmetic: "")
    }

    init(
        id: String, source: String, traits: FamilyTraits, generators: GeneratorSet, sizes: SizeLimits,
        components: [Component], parts: Parts, adapted: AdaptedNetworks?, adaptedTexts: AdaptedTexts?,
        residency: any PartResidency, identities: PartIdentities, arithmetic: String
    ) {
        self.id = id
        self.source = source
        self.traits = traits
        self.generators = generators
        self.sizes = sizes
        self.components = components
        self.parts = parts
        self.adapted = adapted
        self.adaptedTexts = adaptedTexts
        self.residency = residency
        partIdentities = identities
        self.arithmetic = arithmetic
    }

    // MARK: Identity

    /// A digest of a part's content: 64 hexadecimal digits that change when the numbers it gives may change.
    package func identity(of part: Part) -> String { partIdentities.digest(of: part) }

    /// Digests of all that takes part in a generation by that plan, by part.
    /// - Parameter decoder: nil for the default.
    package func identities(of plan: PhasePlan, decoder: LatentDecoder? = nil) -> [String: String] {
        // The model's own autoencoder encodes pictures also where a tiny one decodes.
        let fixed = traits.course.compactMap(\.part) + [part(of: decoder ?? defaultDecoder)]
        var identities = Dictionary(
            (fixed + plan.experts.map { Part($0) }).map { ($0.name, identity(of: $0)) },
            uniquingKeysWith: { first, _ in first })
        if identities[textPart.name] != nil { identities[textPart.name] = identity(of: textSide(of: plan)) }
        return identities
    }

    /// The part whose heavy weights another part uses: the base of an expert that is LoRA files on a base.
    package func base(of part: Part) -> Part {
        generators.adaptedExperts[part.name].map { Part($0.base) } ?? part
    }

    // MARK: Parts

    /// Every part that generations pass through, each once.
    package var passedParts: [Part] {
        let experts = generators.generators.flatMap { $0.plan.experts.map { Part($0) } }
        let parts = traits.course.flatMap { $0.kind == .steps ? experts : [$0.part].compactMap(\.self) }
        return parts.enumerated().filter { !parts[..<$0].contains($1) }.map(\.element)
    }

    /// The part that a generation passes through first.
    package func firstPart(withPictures: Bool) -> Part {
        withPictures ? autoencoderPart : passedParts.first ?? autoencoderPart
    }

    // MARK: Residency

    /// See `PartResidency`.
    package func expect(_ passes: [Part]) { residency.expect(passes) }

    // MARK: Text

    /// The prompt as the text encoder sees it: what is cleaned to the same text has the same conditioning.
    package func cleaned(_ prompt: String) -> String { parts.promptEncoder.cleaned(prompt) }

    /// Tokens that the text encoder makes of a prompt; of more than `maximumTokens` it would not see the rest.
    package func tokenCount(of prompt: String) -> Int { parts.promptEncoder.tokenCount(of: prompt) }

    package var maximumTokens: Int { parts.promptEncoder.length }

    /// Why a prompt cannot be encoded, or nil.
    package func refusal(of prompt: String) -> String? { parts.promptEncoder.refusal(of: prompt) }

    /// The part that prompts pass through.
    package var textPart: Part { traits.course.first { $0.kind == .text }?.part ?? "text_encoder" }

    /// Cleans, tokenises and encodes a prompt.
    /// - Parameters:
    ///   - side: the text side that encodes the prompt, as `textSide` gives it.
    ///   - pictures: the request's references, where the text side looks at them (`Run.seen`).
    ///   - interrupt: called before each layer; throwing ends the encoding.
    package func encode(
        _ prompt: String, by side: TextSide = .plain, seeing pictures: [RGBImage] = [],
        interrupt: () throws -> Void = {}
    ) throws -> Conditioning {
        let encoder = try promptEncoder(of: side)
        let conditioning = try residency.pass(through: textPart) { check in
            try encoder.encode(prompt, seeing: pictures) {
                try interrupt()
                try check()
            }
        }
        defer { residency.releaseActivations() }
        return conditioning.lasting
    }

    // MARK: Steps

    /// The expert of that name; every name in `generators` has one.
    /// - Parameters:
    ///   - loras: what a request puts on it, as `settle` gave them.
    ///   - interrupt: called before each transformer block of each step.
    func expert(
        _ name: String, loras: [LoRA] = [], interrupt: @escaping @Sendable () throws -> Void = {}
    ) throws -> Expert {
        guard let network = loras.isEmpty ? parts.networks[name] : try adapted?.network(name, loras) else {
            throw ModelError.missingComponent(folder: source, component: name, neededBy: "a step")
        }
        return Expert(name: name, loras: loras, network: network, residency: residency, interrupt: interrupt)
    }

    /// `[channels, F, H, W]` of the latent that is diffused for a picture (`frames` 1) or clip.
    package func latentShape(width: Int, height: Int, frames: Int) -> [Int] {
        let (autoencoder, packing) = (parts.autoencoder, traits.packing)
        let cell = autoencoder.spatialFactor * packing
        return [
            autoencoder.channels * packing * packing, (frames - 1) / autoencoder.temporalFactor + 1, height / cell,
            width / cell,
        ]
    }

    /// A generation at its first step. Where the family guides away from a negative prompt only, a generation without
    /// one is not guided.
    ///
    /// - Throws: `DiffusionError` for steps or scales that the generator does not take.
    /// - Precondition: width, height and frames are ones that `sizes` does not refuse.
    package func makeGeneration(_ parameters: GenerationParameters) throws -> Generation {
        let spec = try generators.generator(parameters.generator)
        let (width, height) = (parameters.width, parameters.height)
        let shape = latentShape(width: width, height: height, frames: parameters.frames)
        let tokens = shape[1] * sizes.tokens(width: width, height: height)
        let guidance = try Guidance(
            rule: traits.guidance, plan: spec.plan, guidanceScale: parameters.guidanceScale,
            guidanceScale2: parameters.guidanceScale2)
        let isGuided = traits.guidesWithoutNegativePrompt || parameters.negativePrompt != nil
        let schedule = try spec.schedule(steps: parameters.steps, tokens: tokens)
        return try Generation(
            seed: parameters.seed, latentShape: shape, generator: spec,
            schedule: changesByStrength(parameters.pictures, frames: parameters.frames)
                ? schedule.from(strength: parameters.strength) : schedule,
            guidance: isGuided ? guidance : guidance.unguided)
    }

    /// Network evaluations (NFE) of a generator's picture of the default size.
    package func evaluations(of generator: String, negativePrompt: String? = nil) throws -> Int {
        try makeGeneration(
            GenerationParameters(
                prompt: "", negativePrompt: negativePrompt, width: sizes.defaultWidth, height: sizes.defaultHeight,
                generator: generator)
        ).evaluations
    }
}
