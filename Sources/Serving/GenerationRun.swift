import Diffusion
import Foundation
import Logging
import Pipelines
import Tensor

/// A job in the making, as the worker sees it: a value between two stages, so it may wait, and be continued in any order.
protocol ActiveRun: AnyObject {
    var job: Job { get }
    var signal: StopSignal { get }
    /// What it needs next; nil if nothing.
    var waiting: WaitingRun? { get }

    /// The embeddings of the prompts, unless they are known already.
    func encodePrompts(onlyKnown: Bool) throws

    /// After an evaluation in which it took part: tells of the step, once all its images have done it.
    /// - Parameter sharedBy: how many runs took part.
    func finishEvaluation(seconds: Double, sharedBy count: Int) throws

    /// From latents to whole files and a job that has succeeded.
    func deliver() throws

    /// Keeps what has been computed for the next start.
    func suspend()

    /// Lets go of what it holds and removes its files that are not whole or not needed any more: it has ended.
    func discard()
}

/// What the runs of a worker share.
struct Workshop {
    let store: JobStore
    let queue: JobQueue
    let metrics: Metrics
    let retry: StorageRetry
    let logger: Logger
}

/// A job whose model is known.
///
/// All images of a job are stepped at the same step, so that each expert is visited once. What shares a network
/// evaluation with what does not show in the bytes.
final class GenerationRun<Model: ImageModel>: ActiveRun {
    var job: Job
    let signal: StopSignal
    let workshop: Workshop
    let siblings: ModelRuns<Model>
    private let sequence: Int64
    private let settledLoRAs: SettledLoRAs
    private(set) var generations: [Generation]
    private(set) var prompted: Prompted<Model.Conditioning>?
    /// Steps, counted from 1, after which a preview is made.
    private let previewed: [Int]
    /// Of the step at hand: its seconds until now, and the estimates of x0 if they are to be shown.
    private var stepSeconds = 0.0
    private var estimates: [Int: Tensor] = [:]
    /// Its share of the seconds of computing since its last checkpoint, and how long writing one takes.
    var unsavedSeconds = 0.0
    var savingSeconds: Double

    var model: Model { siblings.model }
    var id: String { job.id }
    var request: GenerationRequest { job.request }

    /// - Throws: `ServingError.invalid`: the model may be another one than when the job was accepted.
    init(_ ticket: JobQueue.Ticket, siblings: ModelRuns<Model>, workshop: Workshop) throws {
        (job, sequence, signal) = (ticket.job, ticket.sequence, ticket.signal)
        self.siblings = siblings
        self.workshop = workshop
        let request = ticket.job.request
        let steps = try request.validate(for: siblings.model)
        settledLoRAs = try request.settleLoRAs(for: siblings.model)
        let fresh = try (0..<request.count).map { try request.makeGeneration(ofImage: $0, by: siblings.model) }
        let checkpoint = Self.checkpoint(of: ticket.job, fresh, siblings.model, workshop)
        generations = checkpoint?.generations ?? fresh
        previewed = Self.previewedSteps(request.previews, of: steps)
        // A guess until the first is written: two tensors for each image, at 100 MB/s.
        savingSeconds = 0.02 + Double(fresh.count * fresh[0].latent.count * 8) / 1e8
        let first = generations[0]
        tell(.step) { job in
            job.steps = steps
            if let checkpoint, !checkpoint.timings.steps.isEmpty {
                job.timings = checkpoint.timings
                return job.show(checkpoint.timings.steps.last)
            }
            job.sigma = first.nextStep?.sigma
            job.phase = first.nextPhase?.name
            job.expert = first.nextPhase?.expert
        }
    }

    /// Changes the job, and tells.
    func tell(_ name: JobEvent.Name, preview: JobEvent.Preview? = nil, _ change: (inout Job) -> Void = { _ in }) {
        change(&job)
        workshop.queue.update(job, name, preview: preview)
    }

    // MARK: What comes next

    /// The images that have not done the step at hand.
    var pendingImages: [Int] {
        let step = generations.map(\.stepIndex).min() ?? 0
        return generations.indices.filter { generations[$0].stepIndex == step && !generations[$0].isFinished }
    }

    var pixelsPerImage: Int { request.width * request.height * request.frames }

    /// The expert of the step at hand; nil when all steps are done.
    var nextExpert: String? { pendingImages.first.flatMap { generations[$0].nextPhase?.expert } }

    /// What the request puts on an expert.
    func loras(of expert: String) -> [LoRA] { settledLoRAs.byExpert[expert] ?? [] }

    var waiting: WaitingRun? {
        let pending = pendingImages
        let generation = generations[pending.first ?? 0]
        let steps = (generation.stepIndex..<generation.schedule.count).map {
            generation.plan.phases[generation.plan.phaseIndex(timestep: generation.schedule[$0].timestep)].expert
        }
        let experts = steps.map { expert in
            let part = Resident.expert(expert)
            return StageWeights(model: model.id, part: part, base: model.base(of: part), loras: loras(of: expert))
        }
        let course =
            [StageWeights(model: model.id, part: .textEncoder)] + experts + [StageWeights(model: model.id, part: .vae)]
        let isEncoded = prompted != nil || pending.isEmpty
        return WaitingRun(
            id: id, course: isEncoded ? course.dropFirst() : course[...],
            shape: isEncoded && !pending.isEmpty ? generation.latent.shape : nil,
            pixels: pixelsPerImage * (pending.isEmpty ? generations.count : pending.count),
            priority: job.priority, arrival: sequence)
    }

    // MARK: Stages

    func encodePrompts(onlyKnown: Bool) throws {
        guard prompted == nil, !pendingImages.isEmpty else { return }
        let guided = generations[0].plan.phases.indices.contains { generations[0].guidance.isOn(inPhase: $0) }
        let negative = guided ? request.negativePrompt ?? "" : nil
        let all = [request.prompt, negative].compactMap { $0 }
        if onlyKnown, all.contains(where: { siblings.prompts.known($0) == nil }) { return }
        let start = ContinuousClock.now
        prompted = Prompted(
            positive: try siblings.prompts.encode(request.prompt, interrupt: signal.check),
            negative: try negative.map { try siblings.prompts.encode($0, interrupt: signal.check) })
        job.timings.text = start.seconds
        workshop.metrics.observe("phasor_text_encode_seconds", "Prompt to embedding.", [:], start.seconds)
    }

    /// Takes what an evaluation made of one of the images.
    func accept(_ generation: Generation, estimate: Tensor, image: Int) {
        generations[image] = generation
        if previewed.contains(generation.stepIndex) { estimates[image] = estimate }
    }

    func finishEvaluation(seconds: Double, sharedBy count: Int) throws {
        stepSeconds += seconds
        unsavedSeconds += seconds / Double(count)
        let step = generations[0].stepIndex
        guard generations.allSatisfy({ $0.stepIndex == step }), step > 0 else { return }
        let (plan, done) = (generations[0].plan, generations[0].schedule[step - 1])
        let phase = plan.phases[plan.phaseIndex(timestep: done.timestep)]
        let timing = Timings.Step(
            step: step, sigma: done.sigma, phase: phase.name, expert: phase.expert, seconds: stepSeconds)
        let previews = estimates.sorted { $0.key < $1.key }
        (stepSeconds, estimates) = (0, [:])
        workshop.metrics.observe(
            "phasor_step_seconds", "One denoising step of all images of a job; steps may share evaluations.",
            ["phase": phase.name, "expert": phase.expert], timing.seconds)
        tell(.step) { job in
            job.timings.steps.append(timing)
            job.show(timing)
        }
        saveIfDue()
        if nextExpert != phase.expert { siblings.forget(expert: phase.expert, for: self) }
        guard let index = previewed.firstIndex(of: step) else { return }
        for (image, estimate) in previews {
            let png = try picture(of: estimate)
            tell(.preview, preview: .init(image: image, index: index, step: step, png: png))
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
