import Diffusion
import Foundation
import Tensor

extension ZImageChecks {
    /// Every latent on the way, the picture.
    func endToEnd(_ check: GoldenCheck) throws -> EndToEndCase {
        let scheduler: [String: Any] = try check.parameter("scheduler")
        guard let shift = (scheduler["shift"] as? NSNumber)?.doubleValue else {
            throw VerificationError.badFixture("\(check.name): the scheduler has no shift")
        }
        let spec = try GeneratorSpec(
            name: "check", sampler: .euler, grid: .shifted(steps: try check.parameter("steps"), shift: shift),
            plan: PhasePlan(expert: "transformer", guidanceScale: Float(try check.number("guidance_scale"))))
        // True means 1; false is 0 and means none.
        let normalization = Float(try check.number("cfg_normalization"))
        let rule = Guidance.Rule(
            .fromCondition, normLimit: normalization > 0 ? normalization : nil,
            truncation: Float(try check.number("cfg_truncation")))
        func conditioning(_ name: String) throws -> Conditioning { Conditioning(rows: try check.input(name)[0]) }
        var run = EndToEndCase(
            generator: spec, schedule: try spec.schedule(steps: nil, tokens: 0),
            guidance: try Guidance(rule: rule, plan: spec.plan), latent: oneFrame(try check.input("latents"))[0],
            prompts: .encoded(
                Prompted(
                    positive: try conditioning("prompt_embeds"),
                    negative: check.inputs["negative_prompt_embeds"] == nil
                        ? nil : try conditioning("negative_prompt_embeds"))),
            pixels: "image")
        let files = check.parameters["loras"] as? [String] ?? []
        let strengths = check.parameters["lora_strengths"] as? [Double] ?? []
        run.loras = zip(files, strengths).map { (expert: "transformer", file: $0, strength: Float($1)) }
        run.texts = check.texts()
        return run
    }
}
