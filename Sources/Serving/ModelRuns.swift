import Jobs
import Models
import Pipelines

/// The runs of one model that have begun, and the conditionings they share. Used on the compute thread only.
final class ModelRuns {
    let model: Pipeline
    let prompts: PromptCache
    private var runs: [String: GenerationRun] = [:]

    init(_ model: Pipeline, embeddings: EmbeddingFolder, metrics: Metrics) {
        self.model = model
        prompts = PromptCache(model: model, folder: embeddings, metrics: metrics)
    }

    /// - Throws: as `GenerationRun.init`.
    func begin(_ ticket: JobQueue.Ticket, workshop: Workshop) throws -> GenerationRun {
        let run = try GenerationRun(ticket, siblings: self, workshop: workshop)
        runs[run.id] = run
        return run
    }

    /// One network evaluation, for as many images of these runs as may share it: they wait for one expert with the same
    /// LoRA files and have latents of one shape. If it throws, no image has changed.
    /// - Returns: the runs that took part, and the pixels of all their frames that did.
    func step(_ runs: [GenerationRun], batchPixels: Int) throws -> (runs: [GenerationRun], pixels: Int) {
        var places: [(run: GenerationRun, image: Int)] = []
        var pixels = 0
        for run in runs where run.runs[0].prompted != nil {
            for image in run.pendingImages where places.isEmpty || pixels + run.pixelsPerImage <= batchPixels {
                places.append((run, image))
                pixels += run.pixelsPerImage
            }
        }
        let signals = runs.map(\.signal)
        var batch = places.map { $0.run.runs[$0.image] }
        let estimates = try Run.step(&batch, interrupt: { for signal in signals { try signal.check() } })
        for (place, (run, estimate)) in zip(places, zip(batch, estimates)) {
            place.run.accept(run, estimate: estimate, image: place.image)
        }
        return (runs.filter { run in places.contains { $0.run === run } }, pixels)
    }

    /// A run does not need an expert any more: lets go of what its conditionings keep for it, unless another run of the
    /// same prompt is about to use that.
    func forget(expert: String, for run: GenerationRun) {
        let loras = run.loras(of: expert)
        let others = runs.values.filter {
            $0 !== run && $0.nextExpert == expert && $0.loras(of: expert) == loras
        }
        guard !others.contains(where: { $0.request.prompt == run.request.prompt }) else { return }
        run.runs[0].forget(expert: expert)
    }

    /// A run has ended.
    func remove(_ run: GenerationRun) {
        if let expert = run.nextExpert { forget(expert: expert, for: run) }
        runs[run.id] = nil
    }
}
