import Diffusion
import Models
import Pictures
import Tensor

/// One picture or clip on its way through the stages of its model: a value between any two passes, so whoever drives it
/// may pause it, reorder and batch several, store what it has and go on elsewhere; none of this changes the bytes.
///
/// Everything that generates drives runs: the server in the order that its policy decides, everybody else by `finish`.
package struct Run: Sendable {
    package let pipeline: Pipeline
    /// The name of the generator whose plan and schedule it follows.
    package let generator: String
    /// The texts that it needs encoded: the prompt, and the negative one where guidance is on.
    package let texts: Prompted<String>
    package let loras: SettledLoRAs
    /// What will make frames of the latent.
    package let decoder: LatentDecoder
    package private(set) var generation: Generation
    /// The pictures that are still to be encoded; empty where none are given.
    package private(set) var pictures: GivenPictures
    /// The references that the text side looks at, where it does; empty once the texts are encoded.
    package private(set) var seen: [RGBImage]
    /// The conditionings; nil until the texts are encoded.
    package private(set) var prompted: Prompted<Conditioning>?

    /// - Parameters:
    ///   - loras: what `Pipeline.settle` gave.
    /// - Throws: `DiffusionError` for steps or scales that the generator does not take.
    /// - Precondition: width, height and frames are ones that the model's `sizes` do not refuse.
    package init(_ parameters: GenerationParameters, of pipeline: Pipeline, loras: SettledLoRAs = .none) throws {
        let generation = try pipeline.makeGeneration(parameters)
        self.init(
            generation, of: pipeline, generator: try pipeline.generators.generator(parameters.generator).name,
            texts: Prompted(
                positive: parameters.prompt,
                negative: generation.isGuided ? pipeline.traits.negativeText(parameters.negativePrompt) : nil),
            loras: loras,
            pictures: parameters.pictures, decoder: parameters.decoder)
    }

    /// - Parameters:
    ///   - prompted: conditionings that are known already.
    ///   - decoder: nil for the model's default.
    package init(
        _ generation: Generation, of pipeline: Pipeline, generator: String, texts: Prompted<String>,
        loras: SettledLoRAs = .none, prompted: Prompted<Conditioning>? = nil, pictures: GivenPictures = GivenPictures(),
        decoder: LatentDecoder? = nil
    ) {
        self.pipeline = pipeline
        self.generator = generator
        self.texts = texts
        self.loras = loras
        self.generation = generation
        self.prompted = prompted
        self.pictures = pictures
        seen = prompted == nil && pipeline.parts.promptEncoder.seesPictures ? pictures.references : []
        self.decoder = decoder ?? pipeline.defaultDecoder
    }

    // MARK: What comes next

    /// The passes through weights that are left, in order. Not empty: decoding is the last.
    package var passes: [Pass] {
        let encoding = pictures.isEmpty ? [] : [Pass(.picture, pipeline.autoencoderPart)]
        return encoding
            + pipeline.traits.course.flatMap { stage -> [Pass] in
                switch (stage.kind, stage.part) {
                case (.text, let part?):
                    let count = prompted == nil && !generation.isFinished ? texts.negative == nil ? 1 : 2 : 0
                    return [Pass](repeating: Pass(.text, part), count: count)
                case (.steps, _): return generation.upcomingExperts.map { Pass(.steps, Part($0)) }
                case (.decode, _): return [Pass(.decode, pipeline.part(of: decoder))]
                default: return []
                }
            }
    }

    /// What the texts are encoded by.
    package var textSide: TextSide { pipeline.textSide(of: generation.plan, loras: loras.text) }

    /// What the request puts on an expert.
    package func loras(of expert: String) -> [LoRA] { loras.byExpert[expert] ?? [] }

    // MARK: Stages

    /// Has the given pictures encoded, unless that is done: once for all runs of a request, which have the same pictures
    /// and sides.
    /// - Throws: as `Pipeline.encode(_:like:interrupt:)`; `DiffusionError.batch` for a latent that does not fit.
    package static func encodePictures(of runs: inout [Run], interrupt: () throws -> Void = {}) throws {
        guard let first = runs.first(where: { !$0.pictures.isEmpty }) else { return }
        let encoded = try first.pipeline.encode(first.pictures, like: first.generation.latent, interrupt: interrupt)
        for index in runs.indices where !runs[index].pictures.isEmpty {
            switch encoded {
            case .inputs(let inputs): try runs[index].generation.take(inputs)
            case .start(let latent): try runs[index].generation.start(from: latent)
            }
            runs[index].pictures = GivenPictures()
        }
    }

    /// Has the texts encoded, unless they are known already.
    /// - Parameter encode: a cache in front of `Pipeline.encode`, or that itself; it is to look at what `seen` is before the
    ///   call.
    package mutating func encodeTexts(_ encode: (String, TextSide) throws -> Conditioning) rethrows {
        guard prompted == nil else { return }
        let side = textSide
        prompted = Prompted(
            positive: try encode(texts.positive, side), negative: try texts.negative.map { try encode($0, side) })
        seen = []
    }

    /// Does the next step of several runs in one network evaluation. They may be at different steps, but wait for the
    /// same expert with the same LoRA files, and have latents and inputs of one shape.
    ///
    /// - Parameters:
    ///   - batch: runs whose texts are encoded; all are advanced, or none if this throws.
    ///   - interrupt: called before each transformer block; what it throws ends the step.
    /// - Returns: the estimates of x0, `[C, F, H, W]` each, for previews.
    package static func step(
        _ batch: inout [Run], interrupt: @escaping @Sendable () throws -> Void = {}
    ) throws -> [Tensor] {
        guard let first = batch.first, let phase = first.generation.nextPhase else { return [] }
        let expert = try first.pipeline.expert(
            phase.expert, loras: first.loras(of: phase.expert), interrupt: interrupt)
        let prompts = batch.compactMap(\.prompted)
        var generations = batch.map(\.generation)
        let estimates = try Generation.step(&generations, using: expert, prompts)
        for index in batch.indices { batch[index].generation = generations[index] }
        return estimates
    }

    /// Lets go of what the conditionings keep for an expert, once no step of it is to come.
    package func forget(expert: String) {
        let key = Expert.key(expert, loras(of: expert))
        for conditioning in [prompted?.positive, prompted?.negative] { conditioning?.forget(key: key) }
    }

    /// Decodes the latent and hands on frames `[T, H, W, 3]` in [0, 1] as they are ready.
    /// - Throws: as `Pipeline.decode`; `ModelError.notFinite` where already the steps left no numbers, with the experts and LoRA
    ///   files that took them.
    package func decode(interrupt: () throws -> Void = {}, onFrames: (Tensor) throws -> Void) throws {
        guard generation.latent.array.allSatisfy(\.isFinite) else {
            let experts = Set(generation.plan.phases.map(\.expert)).sorted().map { expert in
                ([expert] + loras(of: expert).map { "LoRA '\($0.name)'" }).joined(separator: " with ")
            }
            throw ModelError.notFinite(stage: "steps of \(experts.joined(separator: " and "))")
        }
        try pipeline.decode(generation.latent, by: decoder, interrupt: interrupt, onFrames: onFrames)
    }

    // MARK: Across processes

    /// Goes on from a generation that was stored, if it is this one at a later step.
    /// - Parameter texts: the conditionings of the prompt and of the negative prompt, where they were stored too.
    /// - Returns: whether it is.
    package mutating func resume(_ stored: Generation, texts conditionings: [Conditioning] = []) -> Bool {
        guard
            stored.plan == generation.plan, stored.schedule == generation.schedule,
            stored.guidance == generation.guidance, stored.latent.shape == generation.latent.shape,
            stored.seed == generation.seed
        else { return false }
        generation = stored
        // What is stored has seen the pictures.
        pictures = GivenPictures()
        if let positive = conditionings.first, conditionings.count == (texts.negative == nil ? 1 : 2) {
            prompted = Prompted(positive: positive, negative: conditionings.dropFirst().first)
            seen = []
        }
        return true
    }
}
