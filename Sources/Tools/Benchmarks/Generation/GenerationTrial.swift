import Diffusion
import Foundation
import Media
import Pipelines
import Serving
import Tensor

/// One generation from the prompt to the file, timed by stages.
struct GenerationTrial {
    let timings: Timings
    /// What the first step of an expert took more than its later ones, over all changes of expert: reading its
    /// weights, and its keys and values of the prompt. Zero where an expert does one step only.
    let switchStall: Double
    let total: Double
    let evaluations: Int
    /// The most memory the process held in it; what is mapped and was read counts. Nil where the system does not tell.
    let peakResidentBytes: Int?
    let joules: Double?
    let mediaBytes: Int
    let frames: [RGBImage]

    /// Seconds of the stages.
    struct Timings {
        var text = 0.0
        var steps: [Step] = []
        var decode = 0.0
        var encode = 0.0

        struct Step {
            let step: Int
            let sigma: Float
            let phase: String
            let expert: String
            let seconds: Double
        }
    }

    /// - Parameter request: one that `validate(for:)` accepts, of one image or clip.
    init(
        _ request: GenerationRequest, _ model: some ImageModel, meter: ResourceMeter, scratch: String,
        now: () -> Double
    ) throws {
        meter.start()
        let start = now()
        var timings = Timings()
        var generation = try model.makeGeneration(
            seed: request.seed, width: request.width, height: request.height, frames: request.frames,
            generator: request.generator, steps: request.steps, guidanceScale: request.guidanceScale,
            guidanceScale2: request.guidanceScale2)
        let guided = generation.plan.phases.indices.contains { generation.guidance.isOn(inPhase: $0) }
        // As the engine does, so that the next expert's weights are read while this one computes.
        var passes = [Resident.textEncoder] + Self.experts(of: generation).map(Resident.expert) + [.vae]
        model.expect(passes)
        let prompted = Prompted(
            positive: try model.encode(request.prompt, interrupt: {}),
            negative: guided ? try model.encode(request.negativePrompt ?? "", interrupt: {}) : nil)
        timings.text = now() - start
        while let phase = generation.nextPhase, let step = generation.nextStep {
            let began = now()
            passes.removeFirst()
            model.expect(passes)
            try generation.step(using: model.expert(phase.expert, loras: [], interrupt: {}), prompted)
            timings.steps.append(
                Timings.Step(
                    step: step.index + 1, sigma: step.sigma, phase: phase.name, expert: phase.expert,
                    seconds: now() - began))
        }
        model.expect([.vae])
        let comment = FileMetadata.text(
            request, image: 0, steps: generation.schedule.count, scales: generation.guidance.scales,
            generator: try model.generators.generator(request.generator))
        let media = try Self.deliver(generation.latent, request, model, comment, scratch, now, &timings)
        total = now() - start
        (joules, peakResidentBytes) = meter.stop()
        self.timings = timings
        switchStall = Self.stall(timings.steps)
        evaluations = generation.evaluations
        (mediaBytes, frames) = (media.bytes, media.frames)
    }

    /// Decodes and codes, as the engine does: a clip's frames go to the encoder as they come.
    private static func deliver(
        _ latent: Tensor, _ request: GenerationRequest, _ model: some ImageModel, _ comment: String, _ scratch: String,
        _ now: () -> Double, _ timings: inout Timings
    ) throws -> (bytes: Int, frames: [RGBImage]) {
        let start = now()
        var encoding = 0.0
        var images: [RGBImage] = []
        let encoder =
            request.kind == .video
            ? try MP4Encoder(
                path: scratch, width: request.width, height: request.height,
                options: request.videoOptions(comment: comment)) : nil
        try model.decode(latent, interrupt: {}) { frames in
            for index in 0..<frames.shape[0] {
                let image = try frames[index].withUnsafe { values in
                    try RGBImage(
                        width: request.width, height: request.height, floats: values.span, layout: .interleaved)
                }
                let began = now()
                try encoder?.append(image)
                encoding += now() - began
                images.append(image)
            }
        }
        let began = now()
        var bytes = 0
        if let encoder {
            try encoder.finish()
            encoding += now() - began
            bytes = (try? FileManager.default.attributesOfItem(atPath: scratch)[.size] as? Int) ?? 0
            unlink(scratch)
        } else if let image = images.first {
            bytes = try PNG.encode(image, text: [(FileMetadata.keyword, comment)]).count
            encoding += now() - began
        }
        timings.encode = encoding
        timings.decode = now() - start - encoding
        return (bytes, images)
    }

    private static func experts(of generation: Generation) -> [String] {
        generation.schedule.timesteps.map { generation.plan.phases[generation.plan.phaseIndex(timestep: $0)].expert }
    }

    private static func stall(_ steps: [Timings.Step]) -> Double {
        var total = 0.0
        var rest = steps[...]
        while let first = rest.first {
            let run = rest.prefix { $0.expert == first.expert }
            let later = run.dropFirst().map(\.seconds)
            if !later.isEmpty { total += max(first.seconds - Summary.quantile(0.5, of: later), 0) }
            rest = rest.dropFirst(run.count)
        }
        return total
    }
}
