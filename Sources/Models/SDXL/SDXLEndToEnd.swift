import Diffusion
import Foundation
import Tensor

extension SDXLChecks {
    /// Every latent on the way in the coordinates of diffusers' schedulers, the picture.
    func endToEnd(_ check: GoldenCheck) throws -> EndToEndCase {
        let way = try SDXLSchedulerChecks.Way(check.parameters, guidance: Float(try check.number("guidance_scale")))
        let schedule = try way.spec.schedule(steps: nil, tokens: 0)
        let guidance = try Guidance(rule: .classifierFree, plan: way.spec.plan)
        let negative = check.parameters["negative_prompt"] as? String ?? SDXLPromptEncoder.absent
        let noise = oneFrame(try check.input("latents"))[0]
        var run = EndToEndCase(
            generator: way.spec, schedule: schedule, guidance: guidance, latent: scaled(noise, schedule.start),
            prompts: .texts(
                Prompted(
                    positive: try check.parameter("prompt"),
                    negative: guidance.scales.contains { $0 > guidance.rule.neutralScale } ? negative : nil)),
            pixels: "image")
        if let fresh = check.inputs["noise"]?.widened() {
            run.renoise = (0..<fresh.shape[0]).map { fresh[$0].reshaped(noise.shape) }
        }
        run.layout = { latent, steps in scaled(latent, way.scale(schedule, before: steps)) }
        let files = check.parameters["loras"] as? [String] ?? []
        let strengths = check.parameters["lora_strengths"] as? [Double] ?? []
        run.loras = zip(files, strengths).map { (expert: SDXLFamily.expert, file: $0, strength: Float($1)) }
        return run
    }
}
