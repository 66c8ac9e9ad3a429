import Diffusion
import Pipelines

/// The runs of one model that have begun, whatever the types of the model are.
protocol RunGroup: AnyObject {
    /// - Throws: as `GenerationRun.init`.
    func begin(_ ticket: JobQueue.Ticket, workshop: Workshop) throws -> any ActiveRun

    /// One network evaluation, for as many images of these runs as may share it: they wait for one expert with the same
    /// LoRA files and have latents of one shape. If it throws, no image has changed.
    /// - Returns: the runs that took part, and the pixels of all their frames that did.
    func step(_ runs: [any ActiveRun], batchPixels: Int) throws -> (runs: [any ActiveRun], pixels: Int)

    /// Tells the model what is about to compute, in order.
    func expect(_ passes: [Resident])

    /// Whether computing with a part costs no other its place in memory.
    func isResident(_ part: Resident) -> Bool
}

/// The runs of one model that have begun, and the embeddings they share. Used on the compute thread only.
final class ModelRuns<Model: ImageModel>: RunGroup {
    let model: Model
    let prompts: PromptCache<Model>
    private var runs: [String: GenerationRun<Model>] = [:]

    init(_ model: Model, embeddings: EmbeddingFolder, metrics: Metrics) {
        self.model = model
        prompts = PromptCache(model: model, folder: embeddings, metrics: metrics)
    }

    func begin(_ ticket: JobQueue.Ticket, workshop: Workshop) throws -> any ActiveRun {
        let run = try GenerationRun(ticket, siblings: self, workshop: workshop)
        runs[run.id] = run
        return run
    }

    func step(_ runs: [any ActiveRun], batchPixels: Int) throws -> (runs: [any ActiveRun], pixels: Int) {
        let runs = runs.compactMap { $0 as? GenerationRun<Model> }
        guard let first = runs.first, let name = first.nextExpert else { return ([], 0) }
        var places: [(run: GenerationRun<Model>, image: Int, prompt: Prompted<Model.Conditioning>)] = []
        var pixels = 0
        for run in runs {
            guard let prompt = run.prompted else { continue }
            for image in run.pendingImages where places.isEmpty || pixels + run.pixelsPerImage <= batchPixels {
                places.append((run, image, prompt))
                pixels += run.pixelsPerImage
            }
        }
        let signals = runs.map(\.signal)
        let expert = try model.expert(
            name, loras: first.loras(of: name), interrupt: { for signal in signals { try signal.check() } })
        var batch = places.map { $0.run.generations[$0.image] }
        let estimates = try Generation.step(&batch, using: expert, places.map(\.prompt))
        for (place, (generation, estimate)) in zip(places, zip(batch, estimates)) {
            place.run.accept(generation, estimate: estimate, image: place.image)
        }
        return (runs.filter { run in places.contains { $0.run === run } }, pixels)
    }

    func expect(_ passes: [Resident]) { model.expect(passes) }

    func isResident(_ part: Resident) -> Bool { model.isResident(part) }

    /// A run does not need an expert any more: lets go of what its embeddings keep for it, unless another run of the
    /// same prompt is about to use that.
    func forget(expert: String, for run: GenerationRun<Model>) {
        guard let prompted = run.prompted else { return }
        let loras = run.loras(of: expert)
        let others = runs.values.filter {
            $0 !== run && $0.nextExpert == expert && $0.loras(of: expert) == loras
        }
        guard !others.contains(where: { $0.request.prompt == run.request.prompt }) else { return }
        for conditioning in [prompted.positive, prompted.negative].compactMap({ $0 }) {
            model.forget(expert: expert, loras: loras, of: conditioning)
        }
    }

    /// A run has ended.
    func remove(_ run: GenerationRun<Model>) {
        if let expert = run.nextExpert { forget(expert: expert, for: run) }
        runs[run.id] = nil
    }
}
