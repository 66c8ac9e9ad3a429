import Diffusion
import Foundation
import Models
import Pipelines
import Tensor

/// Whole runs of the pipeline: every latent on the way, the expert of every step, the frames.
struct EndToEndChecks {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        let spec = try generator(check)
        let files = check.parameters["loras"] as? [String] ?? []
        let adapters = zip(files, spec.plan.experts).map {
            ModelFiles.AdapterFile(expert: $1, path: "\(folder)/\($0)", strength: 1)
        }
        let pipeline = try Pipeline(folder: folder, compute: compute, adapters: adapters)
        let guidance = try Guidance(
            rule: .classifierFree, plan: spec.plan, guidanceScale: scale(check, "guidance_scale"),
            guidanceScale2: scale(check, "guidance_scale_2"))
        let steps: Int = try check.parameter("steps")
        let schedule = try spec.schedule(steps: steps, tokens: 0)
        let prompt = Prompted(
            positive: Conditioning(TextEmbedding(padded: try check.input("prompt_embeds")[0])),
            negative: check.inputs["negative_prompt_embeds"] == nil
                ? nil : Conditioning(TextEmbedding(padded: try check.input("negative_prompt_embeds")[0])))
        try compareEncodedPrompts(check, pipeline, &extra)

        var generation = try Generation(
            seed: 0, latent: check.input("latents")[0], generator: spec, schedule: schedule, guidance: guidance)
        var latents: [Tensor] = []
        var experts: [Int] = []
        while let phase = generation.nextPhase {
            experts.append(phase.expert == "transformer" ? 1 : 2)
            try generation.step(using: pipeline.expert(phase.expert), prompt)
            latents.append(generation.latent.reshaped([1] + generation.latent.shape))
        }
        var frames: [Tensor] = []
        try pipeline.decode(generation.latent) { frames.append($0) }
        return [
            "frames": .tensor(Tensor.concatenate(frames)), "latents_per_step": .tensor(Tensor.concatenate(latents)),
            "sigmas": .tensor(Tensor(schedule.sigmas, shape: [schedule.sigmas.count])),
            "timesteps": .tensor(Tensor(schedule.timesteps, shape: [schedule.timesteps.count])),
            "expert": .integers(experts),
        ]
    }

    /// The step rule and grid that the check names, over the boundary it names.
    private func generator(_ check: GoldenCheck) throws -> GeneratorSpec {
        let plan = try PhasePlan(
            boundary: check.parameter("boundary_ratio"), guidanceScales: (high: 1, low: 1))
        let steps: Int = try check.parameter("steps")
        func number(_ name: String) throws -> Double { try check.parameter(name, as: NSNumber.self).doubleValue }
        switch check.name {
        case "e2e_euler4_default":
            let grid = SigmaGrid.flowMatchDefault(steps: steps, shift: try number("shift"))
            return try GeneratorSpec(name: "check", sampler: .euler, grid: grid, plan: plan)
        case "e2e_euler4_distilled", "e2e_euler4_distilled_lora":
            return try .distilled(
                steps: steps, shift: number("shift"), boundary: check.parameter("boundary_ratio"))
        case "e2e_teacher_unipc":
            let grid = SigmaGrid.uniPCFlow(steps: steps, shift: try number("flow_shift"))
            return try GeneratorSpec(name: "check", sampler: .uniPC, grid: grid, plan: plan)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private func scale(_ check: GoldenCheck, _ name: String) -> Float? {
        (check.parameters[name] as? NSNumber)?.floatValue
    }

    /// A run from text must agree too: the embeddings that were given against those of the prompts.
    private func compareEncodedPrompts(
        _ check: GoldenCheck, _ pipeline: Pipeline, _ extra: inout [Comparison]
    ) throws {
        for (text, input) in [("prompt", "prompt_embeds"), ("negative_prompt", "negative_prompt_embeds")] {
            guard let reference = check.inputs[input], let prompt = check.parameters[text] as? String else { continue }
            let embedding = try pipeline.encode(prompt).embedding
            extra.append(
                .compare(embedding.padded(width: reference.shape[2]), with: reference, in: check, as: "\(text) encoded")
            )
        }
    }
}

extension TextEmbedding {
    /// The rows with their padding, `[paddedLength, width]`.
    func padded(width: Int) -> Tensor {
        let missing = paddedLength - rows.shape[0]
        return missing > 0 ? Tensor.concatenate([rows, Tensor(zeros: [missing, width])]) : rows
    }
}
