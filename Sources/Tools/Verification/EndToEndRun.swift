import Diffusion
import Models
import Pipelines
import Tensor

/// Runs a whole generation that a fixture describes, as every other generation runs.
struct EndToEndRun {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, _ wanted: EndToEndCase, extra: inout [Comparison]) throws -> [String: Computed] {
        let pipeline = try pipeline(wanted)
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
        var estimates: [Tensor] = []
        observer.onStep = { _, run, estimate in
            latents.append(wanted.layout(run.generation.latent, run.generation.stepIndex))
            estimates.append(wanted.estimate(estimate))
        }
        var frames: [Tensor] = []
        let ran = try run.finish(observer) { frames.append($0) }
        var computed: [String: Computed] = [
            wanted.pixels: .tensor(Tensor.concatenate(frames)), "latents_per_step": .tensor(stacked(latents)),
            "sigmas": .tensor(Tensor(wanted.sigmas, shape: [wanted.sigmas.count])),
            "timesteps": .tensor(Tensor(wanted.times, shape: [wanted.times.count])),
            "denoised_per_step": .tensor(stacked(estimates)),
        ]
        if !wanted.experts.isEmpty {
            computed["expert"] = .integers(ran.steps.compactMap { wanted.experts[$0.expert] })
        }
        return computed.merging(wanted.computed) { ran, _ in ran }
    }

    private func pipeline(_ wanted: EndToEndCase) throws -> Pipeline {
        var files = ModelFiles(folder: folder)
        if let network = wanted.network {
            files = ModelFiles()
            files.experts = ["transformer": "\(folder)/\(network)"]
            (files.textEncoder, files.tokenizer) = ("\(folder)/text_encoder", "\(folder)/tokenizer")
            files.vae = "\(folder)/vae"
        }
        for (expert, component) in wanted.components { files.experts[expert] = "\(folder)/\(component)" }
        files.adapters = wanted.loras.map {
            ModelFiles.AdapterFile(expert: $0.expert, path: "\(folder)/\($0.file)", strength: $0.strength)
        }
        return try Pipeline(files, compute: compute)
    }
}
