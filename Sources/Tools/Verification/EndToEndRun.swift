import Diffusion
import Models
import Pipelines
import Tensor

/// Runs a whole generation that a fixture describes, as every other generation runs.
struct EndToEndRun {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, _ wanted: EndToEndCase, extra: inout [Comparison]) throws -> [String: Computed] {
        var files = ModelFiles(folder: folder)
        files.experts = wanted.components.mapValues { "\(folder)/\($0)" }
        files.adapters = wanted.loras.map {
            ModelFiles.AdapterFile(expert: $0.expert, path: "\(folder)/\($0.file)", strength: $0.strength)
        }
        let pipeline = try Pipeline(files, compute: compute)
        for (label, text, reference) in wanted.texts {
            let rows = wanted.rows(try pipeline.encode(text))
            extra.append(.compare(rows, with: reference, in: check, as: label))
        }
        var texts = Prompted(positive: "", negative: nil as String?)
        var prompted: Prompted<Conditioning>?
        switch wanted.prompts {
        case .encoded(let conditionings): prompted = conditionings
        case .texts(let given): texts = given
        }
        var run = Run(
            try wanted.generation(), of: pipeline, generator: wanted.generator.name, texts: texts,
            prompted: prompted, pictures: wanted.pictures)
        var latents: [Tensor] = []
        var observer = RunObserver()
        observer.onStep = { _, run, _ in latents.append(wanted.layout(run.generation.latent, run.generation.stepIndex))
        }
        var frames: [Tensor] = []
        let ran = try run.finish(observer) { frames.append($0) }
        var computed: [String: Computed] = [
            wanted.pixels: .tensor(Tensor.concatenate(frames)), "latents_per_step": .tensor(stacked(latents)),
            "sigmas": .tensor(Tensor(wanted.sigmas, shape: [wanted.sigmas.count])),
            "timesteps": .tensor(Tensor(wanted.schedule.timesteps, shape: [wanted.schedule.timesteps.count])),
        ]
        if !wanted.experts.isEmpty {
            computed["expert"] = .integers(ran.steps.compactMap { wanted.experts[$0.expert] })
        }
        return computed.merging(wanted.computed) { ran, _ in ran }
    }
}
