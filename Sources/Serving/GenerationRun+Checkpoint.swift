import Diffusion
import Foundation
import Jobs
import Models
import Pipelines

/// A run between two stages, as a file: all that has been computed. On one machine embeddings have a cache of their own.
struct Checkpoint: Codable {
    let request: GenerationRequest
    /// Stand for the weights that the steps were done with, and for their arithmetic.
    let weights: [String]
    let generations: [Generation]
    let timings: Timings
    /// The embeddings of each generation's texts, where `WorkStore.handsOver` and they are known.
    var conditionings: [[Conditioning]]?
}

/// What a long run has done outlives the process: after a kill it goes on from its last checkpoint, to the same bytes.
extension GenerationRun {
    /// Writes a checkpoint if enough would be lost without it: so that writing takes no more than a hundredth of the
    /// time that steps take. A job during which the process has ended shows after each step that it gets further.
    func saveIfDue() {
        if job.interruptions > 0 || unsavedSeconds >= 100 * savingSeconds { save() }
    }

    /// Writes a checkpoint if there is anything new. That it fails is no reason not to go on.
    func save() {
        guard unsavedSeconds > 0 else { return }
        let start = ContinuousClock.now
        do {
            try writeCheckpoint()
        } catch {
            workshop.logger.warning("no checkpoint: \(error)", metadata: ["job": "\(id)"])
        }
        (unsavedSeconds, savingSeconds) = (0, start.seconds)
        workshop.metrics.observe("phasor_checkpoint_seconds", "Writing a run between two steps.", [:], savingSeconds)
    }

    /// - Throws: `ServingError.storage`.
    private func writeCheckpoint() throws {
        let encoder = PropertyListEncoder()
        encoder.outputFormat = .binary
        var checkpoint = Checkpoint(
            request: request, weights: Self.weights(runs[0]), generations: runs.map(\.generation), timings: job.timings)
        if workshop.store.handsOver, runs.allSatisfy({ $0.prompted != nil && !$0.generation.isFinished }) {
            checkpoint.conditionings = runs.map { run in
                run.prompted.map { [$0.positive] + [$0.negative].compactMap(\.self) } ?? []
            }
        }
        try workshop.store.checkpoints.writeSealed(encoder.encode(checkpoint), as: id)
    }

    /// Tells the store that the run has come to another part, if it has.
    func reach() throws -> Onward {
        guard let next = waiting else { return .here }
        let place = PartLine.Place(model: next.weights.model, part: next.weights.part)
        guard place != reached else { return .here }
        // Pictures that are not encoded yet are no part of a checkpoint.
        let isBegun = runs[0].pictures.isEmpty && (runs[0].prompted != nil || hasComputed)
        let stop = Stop(
            job: id, place: place, shape: next.shape.map { "\($0)" },
            isResident: model.residency.isResident(place.part)
        ) {
            guard isBegun else { return false }
            try self.writeCheckpoint()
            return true
        }
        let onward = try workshop.store.reach(stop)
        reached = place
        return onward
    }

    /// Takes up what is left of an earlier process, if it is for this job, these weights and this plan.
    /// - Parameter runs: at their first step; at that of the checkpoint if there is one.
    static func resume(_ runs: inout [Run], of job: Job, _ workshop: Workshop) -> Checkpoint? {
        let folder = workshop.store.checkpoints
        do {
            guard let content = try folder.readSealed(job.id) else { return nil }
            let checkpoint = try PropertyListDecoder().decode(Checkpoint.self, from: content)
            var resumed = runs
            let isOurs =
                checkpoint.request == job.request && checkpoint.weights == weights(runs[0])
                && checkpoint.generations.count == runs.count
                && checkpoint.conditionings?.count ?? runs.count == runs.count
                && resumed.indices.allSatisfy {
                    resumed[$0].resume(checkpoint.generations[$0], texts: checkpoint.conditionings?[$0] ?? [])
                }
            if isOurs {
                runs = resumed
                return checkpoint
            }
            workshop.logger.notice(
                "starting again: the model has changed since its checkpoint", metadata: ["job": "\(job.id)"])
        } catch {
            workshop.logger.warning("starting again: \(error)", metadata: ["job": "\(job.id)"])
        }
        folder.remove([job.id])
        return nil
    }

    private static func weights(_ run: Run) -> [String] {
        let parts = run.pipeline.identities(of: run.generation.plan).sorted { $0.key < $1.key }
        return [run.pipeline.arithmetic] + parts.map { "\($0.key) \($0.value)" }
    }
}
