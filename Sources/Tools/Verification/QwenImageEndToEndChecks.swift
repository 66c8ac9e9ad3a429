import Diffusion
import Foundation
import Models
import Pipelines
import Tensor

/// Whole runs of the Qwen-Image pipeline: every latent on the way, the picture.
struct QwenImageEndToEndChecks {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        let files = check.parameters["loras"] as? [String] ?? []
        let pipeline = try Pipeline(
            folder: folder, compute: compute,
            adapters: files.map { .init(expert: "transformer", path: "\(folder)/\($0)", strength: 1) })
        let (width, height): (Int, Int) = (try check.parameter("width"), try check.parameter("height"))
        let steps: Int = try check.parameter("steps")
        let scale = try check.parameter("true_cfg_scale", as: NSNumber.self).floatValue
        let spec = try GeneratorSpec(
            name: "check", sampler: .euler,
            grid: .dynamic(steps: steps, shift: DynamicShift(configuration: try check.parameter("scheduler"))),
            plan: PhasePlan(expert: "transformer", guidanceScale: scale))
        let schedule = try spec.schedule(steps: nil, tokens: pipeline.sizes.tokens(width: width, height: height))
        let shape = pipeline.latentShape(width: width, height: height, frames: 1)
        let prompt = Prompted(
            positive: try conditioning(check, "prompt", pipeline, &extra),
            negative: check.inputs["negative_prompt_embeds"] == nil
                ? nil : try conditioning(check, "negative_prompt", pipeline, &extra))

        var generation = try Generation(
            seed: 0, latent: packedLatent(check.input("latents")[0], rows: shape[2], columns: shape[3]),
            generator: spec, schedule: schedule, guidance: Guidance(rule: .normPreserving, plan: spec.plan))
        var latents: [Tensor] = []
        while let phase = generation.nextPhase {
            try generation.step(using: pipeline.expert(phase.expert), prompt)
            latents.append(packedTokens(generation.latent))
        }
        var frames: [Tensor] = []
        try pipeline.decode(generation.latent) { frames.append($0) }
        return [
            "image": .tensor(Tensor.concatenate(frames)), "latents_per_step": .tensor(stacked(latents)),
            "sigmas": .tensor(Tensor(schedule.sigmas, shape: [schedule.sigmas.count])),
            "timesteps": .tensor(Tensor(schedule.timesteps, shape: [schedule.timesteps.count])),
        ]
    }

    /// The embedding that was given; a run from text must agree too.
    private func conditioning(
        _ check: GoldenCheck, _ text: String, _ pipeline: Pipeline, _ extra: inout [Comparison]
    ) throws -> Conditioning {
        let input = "\(text)_embeds"
        let given = try check.input(input)[0]
        if let reference = check.inputs[input] {
            let encoded = try pipeline.encode(check.parameter(text)).embedding.rows
            extra.append(.compare(encoded, with: reference, in: check, as: "\(text) encoded"))
        }
        return Conditioning(TextEmbedding(rows: given, paddedLength: 0))
    }
}
