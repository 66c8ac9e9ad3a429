import Models
import Diffusion
import Pipelines
import Support

/// Whether a model can do what is asked, before anything is computed. Nothing is rounded or left out silently.
extension GenerationRequest {
    /// What tokenizers and file formats surely take.
    package static let longestPrompt = 16_384

    /// - Returns: the number of steps it will take.
    /// - Throws: `ServingError.invalid`, which names the field, what was given and what is allowed.
    package func validate(for model: Pipeline) throws -> Int {
        try validateText(for: model)
        try validateSize(for: model)
        guard Self.counts.contains(count), kind == .image || count == 1 else {
            throw ServingError.invalid(
                field: "n", reason: "\(count) given; allowed is \(kind == .image ? "1 to 10" : "1 for a video")")
        }
        guard (0...Self.previewEveryStep).contains(previews) else {
            throw ServingError.invalid(field: "partial_images", reason: "\(previews) given; it must not be negative")
        }
        if let decoder, !model.decoders.contains(decoder) {
            throw ServingError.invalid(
                field: "decoder",
                reason: "\(decoder.rawValue) given, but \(model.id) has \(model.defaultDecoder.rawValue) alone"
                    + (decoder == .tiny ? "; --preview-vae FILE loads a tiny one beside it" : ""))
        }
        // The last image has the last seed; there is none after the last. Signed readers keep those of HTTP's range.
        let limit = UInt64(RequestFields.seeds.upperBound)
        let last = seed <= limit ? limit : .max
        guard seed <= last - UInt64(count - 1) else {
            throw ServingError.invalid(
                field: "seed", reason: "\(seed) given, with n \(count); the last image's seed must be at most \(last)")
        }
        let scales = RequestFields.scales
        for (field, scale) in [("guidance_scale", guidanceScale), ("guidance_scale_2", guidanceScale2)] {
            guard let scale else { continue }
            guard scale.isFinite, scales.contains(Double(scale)) else {
                throw ServingError.invalid(
                    field: field,
                    reason:
                        "\(scale) given; allowed is \(JSON(scales.lowerBound).text) to \(JSON(scales.upperBound).text)")
            }
            guard scale <= model.traits.guidance.neutralScale || !isUnguided(by: model) else {
                throw ServingError.invalid(
                    field: field,
                    reason: "\(scale) given, but this model is guided away from a negative_prompt only (\" \" will do)")
            }
        }
        try validateLoRAs()
        try validatePictures(for: model)
        try validateOutput()
        return try stepCount(for: model)
    }

    /// What image `index` of the request is to be.
    package func parameters(
        ofImage index: Int = 0, pictures: GivenPictures = GivenPictures()
    ) -> GenerationParameters {
        GenerationParameters(
            prompt: prompt, negativePrompt: negativePrompt, width: width, height: height, frames: frames,
            seed: seed(ofImage: index), generator: generator, steps: steps, guidanceScale: guidanceScale,
            guidanceScale2: guidanceScale2, pictures: pictures,
            strength: strength ?? GenerationParameters.defaultStrength, decoder: decoder)
    }

    /// Whether no phase is guided, whatever its scale: for want of a negative prompt.
    package func isUnguided(by model: Pipeline) -> Bool {
        negativePrompt == nil && !model.traits.guidesWithoutNegativePrompt
    }

    /// Whether there is a negative prompt, and no phase in which it changes anything: distilled generators are not guided.
    /// Only for a generator and scales that the model has; false for others.
    package func hasIdleNegativePrompt(for model: Pipeline) -> Bool {
        guard let negativePrompt, negativePrompt.unicodeScalars.contains(where: { !$0.properties.isWhitespace }),
            let plan = try? model.generators.generator(generator).plan,
            let guidance = try? Guidance(
                rule: model.traits.guidance, plan: plan, guidanceScale: guidanceScale, guidanceScale2: guidanceScale2)
        else { return false }
        return guidance.scales.allSatisfy { $0 <= guidance.rule.neutralScale }
    }

    private func validateText(for model: Pipeline) throws {
        for (field, text) in [("prompt", prompt), ("negative_prompt", negativePrompt ?? "")] {
            guard text.utf8.count <= Self.longestPrompt else {
                throw ServingError.invalid(
                    field: field, reason: "\(text.utf8.count) bytes given; allowed are \(Self.longestPrompt)")
            }
            guard !text.unicodeScalars.contains("\0") else {
                throw ServingError.invalid(field: field, reason: "it contains a NUL character")
            }
            if let reason = model.refusal(of: text) { throw ServingError.invalid(field: field, reason: reason) }
            let tokens = model.tokenCount(of: text)
            guard tokens <= model.maximumTokens else {
                throw ServingError.invalid(
                    field: field, reason: "\(tokens) tokens given; the model reads at most \(model.maximumTokens)")
            }
        }
    }

    private func validateSize(for model: Pipeline) throws {
        if let reason = model.sizes.advice(on: PixelSize(width: width, height: height)) {
            throw ServingError.invalid(field: "size", reason: reason)
        }
        if let reason = model.sizes.refusal(frames: frames) {
            throw ServingError.invalid(field: "num_frames", reason: "\(frames) given; it \(reason)")
        }
        if kind == .image, frames != 1 {
            throw ServingError.invalid(field: "num_frames", reason: "\(frames) given; an image has 1")
        }
        guard kind == .image || model.sizes.makesClips else {
            throw ServingError.invalid(field: "model", reason: "\(model.id) makes single pictures, no videos")
        }
    }

    private func stepCount(for model: Pipeline) throws -> Int {
        do {
            let latentFrames = model.latentShape(width: width, height: height, frames: frames)[1]
            let schedule = try model.generators.generator(generator).schedule(
                steps: steps, tokens: latentFrames * model.sizes.tokens(width: width, height: height))
            guard isChangeByStrength(of: model) else { return schedule.count }
            return schedule.from(strength: strength ?? GenerationParameters.defaultStrength).count
        } catch let error as DiffusionError {
            if case .unknownGenerator = error { throw ServingError.invalid(field: "generator", reason: "\(error)") }
            throw ServingError.invalid(field: "num_inference_steps", reason: "\(error)")
        }
    }
}
