import Foundation
import Logging
import Pipelines
import Media

/// The compute thread: takes jobs from the queue and turns them until they are done.
final class Worker {
    private let workshop: Workshop
    private let options: EngineOptions
    private let logger: Logger
    private var makers: [String: any RunMaker] = [:]
    private var lastExpert: String?
    private var lastSweep = ContinuousClock.now - .seconds(Worker.sweepSeconds)

    /// Seconds between two looks at what retention would remove.
    private static let sweepSeconds = 60.0

    init(models: [any ImageModel], workshop: Workshop, options: EngineOptions, logger: Logger) {
        self.workshop = workshop
        self.options = options
        self.logger = logger
        for model in models { makers[model.id] = Self.maker(model) }
    }

    private static func maker<Model: ImageModel>(_ model: Model) -> any RunMaker { PromptCache(model: model) }

    private var queue: JobQueue { workshop.queue }

    /// Until the queue is drained or stopped.
    func run() {
        defer { queue.stopped() }
        // One at a time. Runs are values between two turns, so others may be kept here and turned in any order.
        var current: (any ActiveRun)?
        while queue.mode != .stopping {
            sweepIfDue()
            current = current ?? begin()
            guard let run = current else {
                if queue.mode != .open { return }
                queue.wait(seconds: Self.sweepSeconds)
                continue
            }
            if !turn(run) { current = nil }
        }
    }

    // MARK: One job

    /// The next job, which is then running on disk too.
    private func begin() -> (any ActiveRun)? {
        let now = Date.storable
        guard let ticket = queue.takeNext(at: now) else { return nil }
        do {
            try workshop.retry.run(interrupt: ticket.signal.check) {
                try workshop.store.markRunning(ticket.job.id, at: now)
            }
        } catch Interruption.shutDown {
            return nil
        } catch {
            end(ticket.job, ticket.signal, with: error)
            return nil
        }
        queue.tellPositions()
        logger.info("started", metadata: ["job": "\(ticket.job.id)"])
        guard let maker = makers[ticket.job.request.model] else {
            let unknown = ServingError.unknownModel(ticket.job.request.model, known: makers.keys.sorted())
            end(ticket.job, ticket.signal, with: unknown)
            return nil
        }
        return maker.run(ticket, workshop: workshop)
    }

    /// - Returns: whether the run goes on.
    private func turn(_ run: any ActiveRun) -> Bool {
        do {
            if try run.turn() {
                countSwitch(to: run.job.expert)
                return true
            }
            queue.finish(run.job)
            report(run.job)
        } catch Interruption.shutDown {
            // On disk it is running still; at the next start it runs again.
            run.discard()
        } catch {
            run.discard()
            end(run.job, run.signal, with: error)
        }
        return false
    }

    /// Writes and tells that a job was cancelled or has failed.
    private func end(_ job: Job, _ signal: StopSignal, with error: any Error) {
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
            try workshop.retry.run(interrupt: { if queue.mode == .stopping { throw Interruption.shutDown } }) {
                try workshop.store.finish(ended)
            }
        } catch {
            // The engine stops with a disk that takes nothing: the job will run again.
            logger.error("\(error)", metadata: ["job": "\(job.id)"])
            return
        }
        queue.finish(ended)
        report(ended)
    }

    private static func failure(_ error: any Error) -> Job.Failure {
        let code =
            switch error {
            case PipelineError.notFinite, MediaError.notFinite: "not_finite"
            case ServingError.invalid, ServingError.unknownModel: "invalid_request"
            default: "generation_failed"
            }
        return Job.Failure(code: code, message: "\(error)")
    }

    // MARK: Reports

    private func report(_ job: Job) {
        workshop.metrics.count(
            "phasor_jobs_finished_total", "Jobs that ended, by kind and state.",
            ["kind": job.kind.rawValue, "state": job.state.rawValue])
        let seconds = job.startedAt.flatMap { job.finishedAt?.timeIntervalSince($0) } ?? 0
        var metadata: Logger.Metadata = ["job": "\(job.id)", "seconds": "\(seconds)"]
        if let failure = job.failure { metadata["error"] = "\(failure.message)" }
        logger.log(level: job.state == .failed ? .error : .info, "\(job.state.rawValue)", metadata: metadata)
    }

    private func countSwitch(to expert: String?) {
        if let lastExpert, lastExpert != expert {
            workshop.metrics.count(
                "phasor_expert_switches_total", "Steps whose expert was not that of the step before.")
        }
        lastExpert = expert
    }

    private func sweepIfDue() {
        guard lastSweep.seconds >= Self.sweepSeconds else { return }
        lastSweep = .now
        do {
            try workshop.store.retain(now: Date(), options: options)
        } catch {
            logger.error("\(error)")
        }
    }
}

/// Makes runs of one model.
protocol RunMaker: AnyObject {
    func run(_ ticket: JobQueue.Ticket, workshop: Workshop) -> any ActiveRun
}

extension PromptCache: RunMaker {
    func run(_ ticket: JobQueue.Ticket, workshop: Workshop) -> any ActiveRun {
        GenerationRun(ticket, prompts: self, workshop: workshop)
    }
}
