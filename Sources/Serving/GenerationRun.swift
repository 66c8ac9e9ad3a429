import Diffusion
import Foundation
import Jobs
import Logging
import Models
import Pipelines
import Tensor

/// What the runs of a worker share.
struct Workshop {
    let store: any WorkStore
    let queue: JobQueue
    let metrics: Metrics
    let retry: StorageRetry
    let logger: Logger
    /// `EngineOptions.generator`.
    let generator: String?
}

/// A job in the making: the runs of its images, between two stages, so it may wait, and be continued in any order.
///
/// All images of a job are stepped at the same step, so that each expert is visited once. What shares a network
/// evaluation with what does not show in the bytes.
final class GenerationRun {
    var job: Job
    let signal: StopSignal
    let workshop: Workshop
    let siblings: ModelRuns
    private let sequence: Int64
    private(set) var runs: [Run]
    /// Steps, counted from 1, after which a preview is made.
    private let previewed: [Int]
    /// The seconds that the step at hand has taken until now, and its estimates of x0 if they are to be shown.
    private var stepSeconds = 0.0
    private var estimates: [Int: Tensor] = [:]
    /// The run's share of the seconds of computing since its last checkpoint, and how long writing one takes.
    var unsavedSeconds = 0.0
    var savingSeconds: Double
    /// The part that the store was told of last.
    var reached: PartLine.Place?
    /// Whether there is anything that a checkpoint would keep: a step, or encoded pictures.
    var hasComputed: Bool { job.timings.picture != nil || runs[0].generation.stepIndex > 0 }

    var model: Pipeline { siblings.model }
    var id: String { job.id }
    var request: GenerationRequest { job.request }

    /// - Throws: `ServingError.invalid`: the model may be another one than when the job was accepted.
    init(_ ticket: JobQueue.Ticket, siblings: ModelRuns, workshop: Workshop) throws {
        (job, sequence, signal) = (ticket.job, ticket.sequence, ticket.signal)
        self.siblings = siblings
        self.workshop = workshop
        let request = ticket.job.request
        let steps = try request.validate(for: siblings.model)
        let loras = try request.settleLoRAs(for: siblings.model)
        let pictures = try workshop.store.givenPictures(of: ticket.job)
        var runs = try (0..<request.count).map {
            try Run(request.parameters(ofImage: $0, pictures: pictures), of: siblings.model, loras: loras)
        }
        let checkpoint = Self.resume(&runs, of: ticket.job, workshop)
        self.runs = runs
        previewed = Self.previewedSteps(request.previews, of: steps)
        // A guess until the first is written: two tensors for each image, at 100 MB/s.
        savingSeconds = 0.02 + Double(runs.count * runs[0].generation.latent.count * 8) / 1e8
        let first = runs[0].generation
        let record = RunRecord(of: runs[0])
        tell(.step) { job in
            job.steps = steps
            job.ran = record
            if let checkpoint, !checkpoint.timings.steps.isEmpty {
                job.timings = checkpoint.timings
                job.ran = record
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
        let step = runs.map(\.generation.stepIndex).min() ?? 0
        return runs.indices.filter { runs[$0].generation.stepIndex == step && !runs[$0].generation.isFinished }
    }

    var pixelsPerImage: Int { request.width * request.height * request.frames }

    /// The expert of the step at hand; nil when all steps are done.
    var nextExpert: String? { pendingImages.first.flatMap { runs[$0].generation.nextPhase?.expert } }

    /// What the request puts on an expert.
    func loras(of expert: String) -> [LoRA] { runs[0].loras(of: expert) }

    /// What it needs next; nil if nothing.
    var waiting: WaitingRun? {
        let pending = pendingImages
        let run = runs[pending.first ?? 0]
        // The texts of a job are encoded at one stretch.
        var course: [StageWeights] = []
        for pass in run.passes where pass.stage != .text || course.isEmpty {
            course.append(
                StageWeights(
                    model: model.id, stage: pass.stage, part: pass.part, base: model.base(of: pass.part),
                    loras: pass.stage == .steps ? loras(of: pass.part.name) : []))
        }
        return WaitingRun(
            id: id, course: course[...], shape: course.first?.isExpert == true ? run.generation.shapes : nil,
            pixels: pixelsPerImage * (pending.isEmpty ? runs.count : pending.count),
            priority: job.priority, arrival: sequence)
    }

    // MARK: Stages

    /// What the job's pictures are encoded to.
    func encodePictures() throws {
        let start = ContinuousClock.now
        try Run.encodePictures(of: &runs, interrupt: signal.check)
        job.timings.picture = start.seconds
    }

    /// The conditionings of the prompts, unless they are known already.
    /// - Parameter onlyKnown: leave it if the text encoder is needed.
    func encodePrompts(onlyKnown: Bool) throws {
        guard runs[0].prompted == nil, !pendingImages.isEmpty else { return }
        let texts = [runs[0].texts.positive, runs[0].texts.negative].compactMap(\.self)
        let (seen, side) = (runs[0].seen, runs[0].textSide)
        let digests = seen.isEmpty ? [] : request.images ?? []
        if onlyKnown, texts.contains(where: { siblings.prompts.known($0, by: side, seeing: digests) == nil }) { return }
        let start = ContinuousClock.now
        for index in runs.indices {
            try runs[index].encodeTexts { text, side in
                try siblings.prompts.encode(text, by: side, seeing: digests) {
                    try model.encode(text, by: side, seeing: seen, interrupt: signal.check)
                }
            }
        }
        job.timings.text = start.seconds
        workshop.metrics.observe("phasor_text_encode_seconds", "Prompt to embedding.", [:], start.seconds)
    }

    /// Takes what an evaluation made of one of the images.
    func accept(_ run: Run, estimate: Tensor, image: Int) {
        runs[image] = run
        if previewed.contains(run.generation.stepIndex) { estimates[image] = estimate }
    }

    /// Follows an evaluation in which the run took part: tells of the step, once all images of the run have done it.
    /// - Parameter sharedBy: how many runs took part.
    func finishEvaluation(seconds: Double, sharedBy count: Int) throws {
        stepSeconds += seconds
        unsavedSeconds += seconds / Double(count)
        let generation = runs[0].generation
        let step = generation.stepIndex
        guard runs.allSatisfy({ $0.generation.stepIndex == step }), step > 0 else { return }
        let (plan, done) = (generation.plan, generation.schedule[step - 1])
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
            let file = try preview(of: estimate)
            tell(.preview, preview: .init(image: image, index: index, step: step, file: file))
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
