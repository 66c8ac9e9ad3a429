import Foundation
import Jobs
import Logging
import Media
import Models
import Pictures
import Pipelines
import Tensor

/// The compute thread: keeps the runs that have begun, and does what the policy decides until there is nothing to do.
final class Worker {
    private let workshop: Workshop
    private let options: EngineOptions
    private let logger: Logger
    private var groups: [String: ModelRuns] = [:]
    private var policy: any StepPolicy
    /// The runs in the order in which they began.
    private var runs: [GenerationRun] = []
    private var expected: [StageWeights] = []
    private var lastExpert: StageWeights?
    private let start = ContinuousClock.now
    private var lastSweep = ContinuousClock.now - .seconds(Worker.sweepSeconds)

    /// Seconds between two looks at what retention would remove.
    private static let sweepSeconds = 60.0

    init(models: [Pipeline], workshop: Workshop, options: EngineOptions, logger: Logger) {
        self.workshop = workshop
        self.options = options
        self.logger = logger
        policy = options.makePolicy()
        let embeddings = EmbeddingFolder(
            workshop.store.prompts, capacity: options.promptCacheBytes, logger: logger)
        for model in models {
            groups[model.id] = ModelRuns(model, embeddings: embeddings, metrics: workshop.metrics)
        }
    }

    private var queue: JobQueue { workshop.queue }

    /// Computes until the queue is drained or stopped.
    func run() {
        defer { queue.stopped() }
        while queue.mode != .stopping {
            sweepIfDue()
            begin()
            // Some may have been cancelled while others were computed.
            for run in runs where !queue.isRunning(run.job.id) { drop(run) }
            for run in runs { attempt(run) { try run.encodePrompts(onlyKnown: true) } }
            passOn()
            guard let decision = decide() else {
                if queue.mode != .open { return }
                Arena.shared.giveBack()
                queue.wait(seconds: Self.sweepSeconds)
                continue
            }
            carryOut(decision)
            _ = queue.compute([])
        }
        for run in runs { run.suspend() }
    }

    // MARK: Beginning

    /// Takes in the jobs that may begin; they then run on disk too.
    private func begin() {
        let now = Date.storable
        let tickets = queue.takeNext(options.admission, at: now)
        guard !tickets.isEmpty else { return }
        do {
            try workshop.retry.run(interrupt: checkStop) {
                try workshop.store.markRunning(tickets.map(\.job.id), at: now)
            }
        } catch {
            // Only a stop ends the trying.
            return
        }
        queue.tellPositions()
        for ticket in tickets {
            // One that was cancelled between two turns and retried at once begins anew.
            for run in runs where run.id == ticket.job.id { drop(run) }
            logger.info("started", metadata: ["job": "\(ticket.job.id)"])
            do {
                guard let group = groups[ticket.job.request.model] else {
                    throw ServingError.unknownModel(ticket.job.request.model, known: groups.keys.sorted())
                }
                runs.append(try group.begin(ticket, workshop: workshop))
            } catch {
                end(ticket.job, with: error)
            }
        }
    }

    /// Lets go of the runs whose next stage another process does.
    private func passOn() {
        guard workshop.store.handsOver else { return }
        for run in runs {
            attempt(run) {
                let onward = try workshop.retry.run(interrupt: run.signal.check) { try run.reach() }
                guard case .elsewhere = onward else { return }
                queue.letGo(run.id)
                drop(run)
            }
        }
    }

    private func checkStop() throws(Interruption) {
        if queue.mode == .stopping { throw .shutDown }
    }

    // MARK: Computing

    private func decide() -> Decision? {
        // Asked once for all that a decision wants to know.
        var known: [StageWeights: Bool] = [:]
        let waiting = runs.compactMap(\.waiting)
        let decision = policy.decide(waiting, at: start.seconds) { weights in
            if let answer = known[weights] { return answer }
            let answer = groups[weights.model]?.model.residency.isResident(weights.part) ?? true
            known[weights] = answer
            return answer
        }
        queue.note(waiting, computed: decision?.runs ?? [])
        return decision
    }

    private func carryOut(_ decision: Decision) {
        let wanted = queue.compute(decision.runs)
        let chosen = runs.filter { wanted.contains($0.job.id) }
        guard let first = chosen.first, let group = groups[decision.weights.model] else { return }
        expect(decision.passes)
        let began = ContinuousClock.now
        defer {
            options.onTurn?(
                EngineOptions.Turn(
                    runs: chosen.map(\.job.id), weights: decision.weights, start: began, seconds: began.seconds))
        }
        switch decision.weights.stage {
        case .picture:
            attempt(first) { try first.encodePictures() }
            queue.record(work: 0, seconds: began.seconds)
        case .text:
            attempt(first) { try first.encodePrompts(onlyKnown: false) }
            queue.record(work: 0, seconds: began.seconds)
        case .steps:
            countStep(decision.weights)
            step(chosen, group)
        case .decode:
            attempt(first) {
                try first.deliver()
                drop(first)
                report(first.job)
                queue.finish(first.job)
            }
            queue.record(work: 0, seconds: began.seconds)
        }
    }

    /// Tells each model what it will compute with, here.
    private func expect(_ passes: [StageWeights]) {
        let passes = passes.filter { workshop.store.computes(PartLine.Place(model: $0.model, part: $0.part)) }
        guard passes != expected else { return }
        expected = passes
        for (model, group) in groups { group.model.expect(passes.filter { $0.model == model }.map(\.part)) }
    }

    private func step(_ chosen: [GenerationRun], _ group: ModelRuns) {
        let began = ContinuousClock.now
        do {
            let stepped = try group.step(chosen, batchPixels: options.batchPixels)
            let seconds = began.seconds
            queue.record(work: Double(stepped.pixels), seconds: seconds)
            for run in stepped.runs {
                attempt(run) { try run.finishEvaluation(seconds: seconds, sharedBy: stepped.runs.count) }
            }
        } catch is Interruption {
            // One of them is not wanted any more. Nothing has changed for the others: their step is done again.
            for run in chosen { attempt(run) { try run.signal.check() } }
        } catch  where chosen.count > 1 {
            // Whose fault it is shows when each goes alone.
            for run in chosen { step([run], group) }
        } catch {
            end(chosen[0], with: error)
        }
    }

    /// Does something of one run, which ends if it throws.
    private func attempt(_ run: GenerationRun, _ body: () throws -> Void) {
        do {
            try body()
        } catch Interruption.shutDown {
            // On disk it is running still; at the next start it runs again.
        } catch {
            end(run, with: error)
        }
    }

    // MARK: Ending

    private func drop(_ run: GenerationRun) {
        run.discard()
        runs.removeAll { $0 === run }
    }

    private func end(_ run: GenerationRun, with error: any Error) {
        drop(run)
        end(run.job, with: error)
    }

    /// Writes and tells that a job was cancelled or has failed.
    private func end(_ job: Job, with error: any Error) {
        var job = job
        job.finishedAt = .storable
        // The step that it was about to do is not part of what is kept.
        if job.timings.steps.isEmpty { (job.sigma, job.phase, job.expert) = (nil, nil, nil) }
        if case Interruption.cancelled = error {
            job.state = .cancelled
        } else {
            job.state = .failed
            job.failure = Self.failure(error)
        }
        let ended = job
        do {
            try workshop.retry.run(interrupt: checkStop) { try workshop.store.finish(ended) }
        } catch Interruption.shutDown where queue.mode == .open {
            // Another process has the job.
            return
        } catch {
            // The engine stops with a disk that takes nothing: the job will run again.
            logger.error("\(error)", metadata: ["job": "\(job.id)"])
            return
        }
        report(ended)
        queue.finish(ended)
    }

    private static func failure(_ error: any Error) -> Job.Failure {
        let code =
            switch error {
            case ModelError.notFinite, ImageError.notFinite: "not_finite"
            case ServingError.invalid, ServingError.unknownModel: "invalid_request"
            default: "generation_failed"
            }
        return Job.Failure(code: code, message: "\(error)")
    }

    // MARK: Reports

    private func report(_ job: Job) {
        workshop.metrics.countFinished(job)
        let seconds = job.startedAt.flatMap { job.finishedAt?.timeIntervalSince($0) } ?? 0
        var metadata: Logger.Metadata = ["job": "\(job.id)", "seconds": "\(seconds)"]
        if let failure = job.failure { metadata["error"] = "\(failure.message)" }
        logger.log(level: job.state == .failed ? .error : .info, "\(job.state.rawValue)", metadata: metadata)
    }

    private func countStep(_ expert: StageWeights) {
        let labels: Metrics.Labels = ["policy": options.policy.rawValue]
        workshop.metrics.count("phasor_evaluations_total", "Network evaluations; several jobs may share one.", labels)
        if let lastExpert, lastExpert != expert {
            workshop.metrics.count(
                "phasor_expert_switches_total",
                "Evaluations by another expert, or with other LoRA files, than the one before.", labels)
        }
        lastExpert = expert
    }

    private func sweepIfDue() {
        guard lastSweep.seconds >= Self.sweepSeconds else { return }
        lastSweep = .now
        do {
            try workshop.store.retain(now: Date())
        } catch {
            logger.error("\(error)")
        }
    }
}

extension Metrics {
    func countFinished(_ job: Job) {
        count(
            "phasor_jobs_finished_total", "Jobs that ended, by kind and state.",
            ["kind": job.kind.rawValue, "state": job.state.rawValue])
    }
}
