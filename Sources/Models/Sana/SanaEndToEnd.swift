import Diffusion
import Foundation
import Tensor

extension SanaChecks {
    /// Every latent on the way and every estimate in the coordinates of diffusers' schedulers, the picture.
    func endToEnd(_ check: GoldenCheck) throws -> EndToEndCase {
        let texts = try SanaTextChecks(folder: folder, compute: compute)
        let noise = oneFrame(try check.input("latents"))[0]
        let positive = try texts.conditioning(of: check.parameter("prompt"))
        let steps: Int = try check.parameter("steps")
        let scale = Float(try check.number("guidance_scale"))
        if let network = check.parameters["transformer"] as? String {
            let negative: String = try check.parameter("negative_prompt")
            let spec = try spec(.dpm, .dpmFlow(steps: steps, shift: check.number("flow_shift")), scale)
            var run = EndToEndCase(
                generator: spec, schedule: try spec.schedule(steps: nil, tokens: 0),
                guidance: try Guidance(rule: .classifierFree, plan: spec.plan), latent: noise,
                prompts: .encoded(
                    Prompted(
                        positive: positive,
                        negative: try texts.conditioning(of: SanaPromptEncoder.negativeMark + negative))),
                pixels: "image")
            run.network = network
            return run
        }
        let times = try SanaSchedulerChecks.times([
            steps, check.parameter("max_timesteps", as: Any.self),
            check.parameters["intermediate_timesteps"] ?? NSNull(),
        ])
        let scheduler: [String: Any] = try check.parameter("scheduler")
        guard let deviation = (scheduler["sigma_data"] as? NSNumber)?.floatValue else {
            throw VerificationError.badFixture("\(check.name): the scheduler has no sigma_data")
        }
        let spec = try spec(.renoise, .trigonometric(times), scale)
        let schedule = try spec.schedule(steps: nil, tokens: 0)
        var run = EndToEndCase(
            generator: spec, schedule: schedule, guidance: try Guidance(rule: .embedded, plan: spec.plan),
            latent: scaled(noise, schedule.start), prompts: .encoded(Prompted(positive: positive)),
            pixels: "image")
        let fresh = try check.input("noise")
        run.renoise = (0..<fresh.shape[0]).map { fresh[$0].reshaped(noise.shape) }
        let list = times.list(steps)
        run.times = list
        run.layout = { latent, steps in scaled(latent, deviation / TrigonometricFlow.factor(list[steps])) }
        run.estimate = { scaled($0, deviation) }
        let files = check.parameters["loras"] as? [String] ?? []
        let strengths = check.parameters["lora_strengths"] as? [Double] ?? []
        run.loras = zip(files, strengths).map { (expert: "transformer", file: $0, strength: Float($1)) }
        return run
    }

    private func spec(_ sampler: SamplerKind, _ grid: SigmaGrid, _ scale: Float) throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "check", sampler: sampler, grid: grid, plan: PhasePlan(expert: "transformer", guidanceScale: scale))
    }
}
