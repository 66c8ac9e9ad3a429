import Diffusion
import Foundation
import Tensor

extension WanChecks {
    /// Every latent on the way, the expert of every step, the frames.
    func endToEnd(_ check: GoldenCheck) throws -> EndToEndCase {
        let spec = try generator(check)
        func scale(_ name: String) -> Float? { (check.parameters[name] as? NSNumber)?.floatValue }
        func conditioning(_ name: String) throws -> Conditioning {
            Conditioning(rows: TextEmbedding(padded: try check.input(name)[0]).rows)
        }
        var run = EndToEndCase(
            generator: spec, schedule: try spec.schedule(steps: check.parameter("steps"), tokens: 0),
            guidance: try Guidance(
                rule: .classifierFree, plan: spec.plan, guidanceScale: scale("guidance_scale"),
                guidanceScale2: scale("guidance_scale_2")),
            latent: try check.input("latents")[0],
            prompts: .encoded(
                Prompted(
                    positive: try conditioning("prompt_embeds"),
                    negative: check.inputs["negative_prompt_embeds"] == nil
                        ? nil : try conditioning("negative_prompt_embeds"))),
            pixels: "frames")
        let files = check.parameters["loras"] as? [String] ?? []
        run.loras = zip(files, spec.plan.experts).map { (expert: $1, file: $0, strength: 1) }
        run.texts = check.texts()
        run.rows = { conditioning in
            padded(conditioning.rows, to: UMT5PromptEncoder.wanLength)
        }
        run.experts = ["transformer": 1, "transformer_2": 2]
        run.pictures = try pictures(check)
        if let noise = check.inputs["renoise"]?.widened() {
            run.renoise = (0..<noise.shape[0]).map { noise[$0][0] }
            // The reference leaves out the last one, 0.
            run.sigmas = Array(run.schedule.sigmas.dropLast())
        }
        return run
    }

    /// The step rule and grid of the check, over the boundary that it names.
    private func generator(_ check: GoldenCheck) throws -> GeneratorSpec {
        let boundary = (check.parameters["boundary_ratio"] as? NSNumber)?.doubleValue
        let plan =
            if let boundary {
                try PhasePlan(boundary: boundary, guidanceScales: (high: 1, low: 1))
            } else {
                try PhasePlan(expert: "transformer", guidanceScale: 1)
            }
        let steps: Int = try check.parameter("steps")
        if let timesteps = check.parameters["timesteps"] as? [NSNumber] {
            let grid = SigmaGrid.nearest(
                timesteps: timesteps.map(\.floatValue), shift: try check.number("grid_shift"))
            return try GeneratorSpec(name: "check", sampler: .renoise, grid: grid, plan: plan)
        }
        switch check.name {
        case "e2e_euler4_default":
            let grid = SigmaGrid.flowMatchDefault(steps: steps, shift: try check.number("shift"))
            return try GeneratorSpec(name: "check", sampler: .euler, grid: grid, plan: plan)
        case "e2e_euler4_distilled", "e2e_euler4_distilled_lora", "e2e_first_last":
            return try .distilled(steps: steps, shift: check.number("shift"), boundary: boundary)
        case "e2e_teacher_unipc", "e2e_teacher_unipc_i2v":
            let grid = SigmaGrid.uniPCFlow(steps: steps, shift: try check.number("flow_shift"))
            return try GeneratorSpec(name: "check", sampler: .uniPC, grid: grid, plan: plan)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }
}
