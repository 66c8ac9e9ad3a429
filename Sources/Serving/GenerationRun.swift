import Diffusion
import Foundation
import Tensor

/// A job in the making, as the worker sees it.
protocol ActiveRun: AnyObject {
    var id: String { get }
    var signal: StopSignal { get }
    /// As it stands after the last turn; after the last one, finished.
    var job: Job { get }

    /// Does the next stage: the prompt, one step of every image, or all that follows the steps. It may be called
    /// again whenever it suits, for all that is between two turns is a value.
    /// - Returns: whether more is to come.
    /// - Throws: what went wrong, or `Interruption`. The run is of no use then.
    func turn() throws -> Bool

    /// Removes unfinished files, once the run is of no use.
    func discard()
}

/// What the runs of a worker share.
struct Workshop {
    let store: JobStore
    let queue: JobQueue
    let metrics: Metrics
    let retry: StorageRetry
    let batchPixels: Int
}

/// A job whose model is known.
///
/// All images of a job are stepped at the same step, so that each expert is visited once; as many in one network
/// evaluation as memory allows. What is batched does not show in the bytes.
final class GenerationRun<Model: ImageModel>: ActiveRun {
    var job: Job
    let signal: StopSignal
    let workshop: Workshop
    let prompts: PromptCache<Model>
    var model: Model { prompts.model }
    /// Images that share a network evaluation.
    private var batches: [[Generation]] = []
    private var prompted: Prompted<Model.Conditioning>?
    /// Steps, counted from 1, after which a preview is made.
    private var previewed: [Int] = []

    var id: String { job.id }
    var request: GenerationRequest { job.request }
    var generations: [Generation] { batches.flatMap { $0 } }

    init(_ ticket: JobQueue.Ticket, prompts: PromptCache<Model>, workshop: Workshop) {
        job = ticket.job
        signal = ticket.signal
        self.prompts = prompts
        self.workshop = workshop
    }

    func turn() throws -> Bool {
        try signal.check()
        guard let prompted else {
            try begin()
            return true
        }
        guard batches[0][0].isFinished else {
            try step(prompted)
            return true
        }
        try deliver()
        return false
    }

    /// Changes the job, and tells.
    func tell(_ name: JobEvent.Name, preview: JobEvent.Preview? = nil, _ change: (inout Job) -> Void = { _ in }) {
        change(&job)
        let job = job
        workshop.queue.update(id, name, preview: preview) { $0 = job }
    }

    // MARK: Stages

    private func begin() throws {
        // The model may be another one than when the job was accepted.
        let steps = try request.validate(for: model)
        let generations = try (0..<request.count).map { try request.makeGeneration(ofImage: $0, by: model) }
        let pixels = max(request.width * request.height * request.frames, 1)
        let size = max(workshop.batchPixels / pixels, 1)
        batches = stride(from: 0, to: generations.count, by: size).map {
            Array(generations[$0..<min($0 + size, generations.count)])
        }
        previewed = Self.previewedSteps(request.previews, of: steps)
        let first = generations[0]
        tell(.step) { job in
            job.steps = steps
            job.sigma = first.nextStep?.sigma
            job.phase = first.nextPhase?.name
            job.expert = first.nextPhase?.expert
        }

        let start = ContinuousClock.now
        let positive = try prompts.encode(request.prompt, interrupt: signal.check)
        let guided = first.plan.phases.indices.contains { first.guidance.isOn(inPhase: $0) }
        let negative = guided ? try prompts.encode(request.negativePrompt ?? "", interrupt: signal.check) : nil
        prompted = Prompted(positive: positive, negative: negative)
        job.timings.text = start.seconds
        workshop.metrics.observe("phasor_text_encode_seconds", "Prompt to embedding.", [:], start.seconds)
    }

    private func step(_ prompted: Prompted<Model.Conditioning>) throws {
        guard let phase = batches[0][0].nextPhase, let next = batches[0][0].nextStep else { return }
        let start = ContinuousClock.now
        let signal = signal
        let expert = try model.expert(phase.expert, interrupt: { try signal.check() })
        var estimates: [Tensor] = []
        for index in batches.indices {
            let share = [Prompted<Model.Conditioning>](repeating: prompted, count: batches[index].count)
            estimates += try Generation.step(&batches[index], using: expert, share)
        }
        let timing = Timings.Step(
            step: next.index + 1, sigma: next.sigma, phase: phase.name, expert: phase.expert, seconds: start.seconds)
        workshop.metrics.observe(
            "phasor_step_seconds", "One denoising step of all images of a job.",
            ["phase": phase.name, "expert": phase.expert], timing.seconds)
        tell(.step) { job in
            job.timings.steps.append(timing)
            job.show(timing)
        }
        if batches[0][0].nextPhase?.expert != phase.expert {
            model.forget(expert: phase.expert, of: prompted.positive)
            if let negative = prompted.negative { model.forget(expert: phase.expert, of: negative) }
        }
        if let index = previewed.firstIndex(of: timing.step) {
            for (image, estimate) in estimates.enumerated() {
                let png = try picture(of: estimate)
                tell(.preview, preview: .init(image: image, index: index, step: timing.step, png: png))
            }
        }
    }

    /// `count` steps spread over 1..<steps: the last step's estimate is the picture itself.
    static func previewedSteps(_ count: Int, of steps: Int) -> [Int] {
        let count = min(count, steps - 1)
        guard count > 0 else { return [] }
        return (1...count).map { $0 * steps / (count + 1) }
    }
}

extension ContinuousClock.Instant {
    /// Seconds since this instant.
    var seconds: Double { duration(to: .now) / .seconds(1) }
}
