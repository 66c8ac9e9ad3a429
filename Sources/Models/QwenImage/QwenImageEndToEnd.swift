import Diffusion
import Foundation
import Tensor

extension QwenImageChecks {
    /// Every latent on the way, the picture.
    func endToEnd(_ check: GoldenCheck) throws -> EndToEndCase {
        func conditioning(_ name: String) throws -> Conditioning { Conditioning(rows: try check.input(name)[0]) }
        var run = try endToEnd(
            check,
            prompts: Prompted(
                positive: try conditioning("prompt_embeds"),
                negative: check.inputs["negative_prompt_embeds"] == nil
                    ? nil : try conditioning("negative_prompt_embeds")))
        run.texts = check.texts()
        return run
    }

    func endToEnd(_ check: GoldenCheck, prompts: Prompted<Conditioning>) throws -> EndToEndCase {
        let (width, height): (Int, Int) = (try check.parameter("width"), try check.parameter("height"))
        let cell = 2 * (try WanVAEConfig.read("\(folder)/vae/config.json").spatialFactor)
        let (rows, columns) = (height / cell, width / cell)
        let scale = try check.number("true_cfg_scale")
        let spec = try GeneratorSpec(
            name: "check", sampler: .euler,
            grid: .dynamic(
                steps: try check.parameter("steps"),
                shift: DynamicShift(configuration: try check.parameter("scheduler"))),
            plan: PhasePlan(expert: "transformer", guidanceScale: Float(scale)))
        var run = EndToEndCase(
            generator: spec, schedule: try spec.schedule(steps: nil, tokens: rows * columns),
            guidance: try Guidance(rule: .normPreserving, plan: spec.plan),
            latent: packedLatent(try check.input("latents")[0], rows: rows, columns: columns),
            prompts: .encoded(prompts), pixels: "image")
        let files = check.parameters["loras"] as? [String] ?? []
        run.loras = files.map { (expert: "transformer", file: $0, strength: 1) }
        run.layout = { latent, _ in packedTokens(latent) }
        return run
    }
}
