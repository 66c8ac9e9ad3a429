import Diffusion
import Foundation
import Pictures
import Tensor

extension Flux2Checks {
    /// Every latent on the way, the picture.
    func endToEnd(_ check: GoldenCheck) throws -> EndToEndCase {
        let latent = oneFrame(try check.input("latents"))[0]
        // A distilled model ignores the scale.
        let isDistilled: Bool = try check.parameter("is_distilled")
        let scale = isDistilled ? 1 : Float(try check.number("guidance_scale"))
        let spec = try GeneratorSpec(
            name: "check", sampler: .euler,
            grid: .empirical(steps: try check.parameter("steps"), shift: Flux2Family.shift),
            plan: PhasePlan(expert: "transformer", guidanceScale: scale))
        let texts = try Flux2TextChecks(folder: folder, compute: compute)
        let negative = check.parameters["negative_prompt"] as? String
        var run = EndToEndCase(
            generator: spec,
            schedule: try spec.schedule(steps: nil, tokens: latent.shape.dropFirst().reduce(1, *)),
            guidance: try Guidance(rule: .classifierFree, plan: spec.plan), latent: latent,
            prompts: .encoded(
                Prompted(
                    positive: try texts.conditioning(check.parameter("prompt")),
                    negative: try negative.map(texts.conditioning))),
            pixels: "image")
        let references = try (0...).lazy.map { "image\($0)" }.prefix { check.inputs[$0] != nil }
            .map { try picture(check.input($0)) }
        if !references.isEmpty {
            run.inputs = try pictureEncoder().inputs(
                of: GivenPictures(references: references), width: try check.parameter("width"),
                height: try check.parameter("height"), frames: 1, interrupt: {})
        }
        let files = check.parameters["loras"] as? [String] ?? []
        let strengths = check.parameters["lora_strengths"] as? [Double] ?? []
        run.loras = zip(files, strengths).map { (expert: "transformer", file: $0, strength: Float($1)) }
        run.layout = { latent, _ in packedTokens(latent) }
        return run
    }
}
