import Foundation
import Jobs
import Logging
import Pipelines
import Support
import Tensor

/// Takes jobs, keeps them, and runs them on a thread of its own, in the order that a policy decides.
///
/// Every method may be called from any task and none waits for a computation, except `delete` of a running job (one
/// transformer block) and `drain`.
package final class Engine: Sendable {
    package let models: [Pipeline]
    package let metrics = Metrics()
    /// `EngineOptions.generator`.
    package let generator: String?
    private let store: JobStore
    private let queue: JobQueue
    private let webhooks: Webhooks?

    /// Opens the state folder, takes up the jobs that a stop or a crash left there, and starts to compute.
    /// - Parameter models: the first is the default.
    /// - Throws: `ServingError.storage`, `stateInUse`, `refusedState`.
    package init(models: [Pipeline], options: EngineOptions, logger: Logger) throws {
        let store = try JobStore(options: options.store, logger: logger)
        let queue = JobQueue(capacity: options.queueCapacity, share: options.queueShare, turns: store.turns)
        self.models = models
        generator = options.generator
        self.store = store
        self.queue = queue
        webhooks = try Webhooks(options.webhooks, store: store, metrics: metrics, logger: logger)
        let left = try store.recover()
        if !left.isEmpty { logger.notice("taking up \(left.count) jobs of the last run") }
        queue.restore(left)

        let workshop = Workshop(
            store: store, queue: queue, metrics: metrics, retry: StorageRetry(queue: queue, logger: logger),
            logger: logger, generator: options.generator)
        let thread = Thread {
            Worker(models: models, workshop: workshop, options: options, logger: logger).run()
        }
        thread.name = "phasor.compute"
        // Networks run deep in frames of C kernels; the 512 KB of a secondary thread would be a guess.
        thread.stackSize = 16 << 20
        thread.start()
        webhooks?.start()
    }

    deinit {
        queue.stop()
        webhooks?.stop()
    }

    /// The model of that id.
    /// - Throws: `ServingError.unknownModel`.
    package func model(_ id: String) throws -> Pipeline {
        guard let model = models.first(where: { $0.id == id }) else {
            throw ServingError.unknownModel(id, known: models.map(\.id))
        }
        return model
    }

    // MARK: Jobs

    /// Accepts a job: when this returns it is on disk, and will run even if the process is killed.
    ///
    /// Whoever wants it only as long as a client listens calls `cancel` when the client leaves.
    /// - Parameters:
    ///   - pictures: those that the request names by digest; kept as long as the job.
    ///   - owner: stands for who sends it, for quotas and shares, and for its idempotency keys.
    /// - Returns: the job; with an idempotency key that was used before, the job of that time, whatever its state.
    /// - Throws: `ServingError.invalid`, `unknownModel`, `queueFull`, `draining`, `idempotencyConflict`, `storage`.
    package func submit(
        _ request: GenerationRequest, pictures: [PictureFile] = [], priority: Priority = .interactive,
        owner: String? = nil,
        idempotency: Idempotency? = nil
    ) async throws -> Job {
        let model = try model(request.model)
        let idempotency = idempotency?.owned(by: owner)
        if let idempotency, let known = try await store.known(idempotency) { return try await job(known.job.id) }
        let steps = try request.validate(for: model)
        let files = try request.pictureDigests.map { digest in
            guard let file = pictures.first(where: { $0.digest == digest }) else {
                throw ServingError.invalid(field: "image", reason: "the picture \(digest) was not sent along")
            }
            return file
        }
        let request = try request.settled(for: model)
        try queue.reserve(for: owner)
        let job = Job(
            id: Self.newID(request.kind), request: request, priority: priority, owner: owner, steps: steps,
            createdAt: .storable)
        let acceptance: Acceptance
        do {
            try await store.keep(files, of: job.id)
            acceptance = try await store.insert(job, idempotency: idempotency)
        } catch {
            store.letGo(files, of: job.id)
            queue.release(for: owner)
            throw error
        }
        if acceptance.isKnown {
            store.letGo(files, of: job.id)
            queue.release(for: owner)
            return try await self.job(acceptance.job.id)
        }
        metrics.count("phasor_jobs_accepted_total", "Jobs accepted, by kind.", ["kind": request.kind.rawValue])
        return queue.add(job, sequence: acceptance.sequence)
    }

    /// - Throws: `ServingError.unknownJob`, `storage`.
    package func job(_ id: String) async throws -> Job {
        if let live = queue.job(id) { return live }
        return try await store.job(id)
    }

    /// Jobs in the order they were accepted.
    /// - Parameters:
    ///   - kind, owner: nil for all.
    ///   - after: the last job of the page before.
    /// - Throws: `ServingError.unknownJob` for `after`, `storage`.
    package func jobs(
        kind: GenerationRequest.Kind? = nil, owner: String? = nil, limit: Int = 20, after: String? = nil,
        oldestFirst: Bool = false
    ) async throws -> JobPage {
        let page = try await store.jobs(
            kind: kind, owner: owner, limit: limit, after: after, oldestFirst: oldestFirst)
        return JobPage(
            jobs: page.jobs.map { queue.job($0.id) ?? $0 }, hasMore: page.hasMore, unreadable: page.unreadable)
    }

    /// Stops a job. One that is being computed is `cancelled` within one transformer block: its event stream tells. What
    /// has finished stays as it is. When this returns, no kill brings the job back.
    /// - Returns: the job as it is right after.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    @discardableResult
    package func cancel(_ id: String) async throws -> Job {
        let now = Date.storable
        guard let live = queue.job(id), try await store.cancel(live, at: now) else { return try await store.job(id) }
        switch queue.cancel(id) {
        case nil: return try await store.job(id)
        case .signalled(let job): return job
        case .withdrawn(var job):
            job.state = .cancelled
            job.finishedAt = now
            metrics.countFinished(job)
            queue.finish(job)
            queue.tellPositions()
            return job
        }
    }

    /// Runs a job again that has failed or was cancelled, from where it was if that is kept: under the same id, with the
    /// same request, to the same bytes.
    /// - Returns: the job with its position.
    /// - Throws: `ServingError.unknownJob`, `notRetriable`; `invalid`, `unknownModel` where the models of today do not take
    ///   it; `queueFull`, `shareFull`, `draining`, `storage`.
    package func retry(_ id: String) async throws -> Job {
        // One that is being stopped is out when its computation has ended.
        if let live = queue.job(id) { throw ServingError.notRetriable(id, state: live.state) }
        let job = try await store.job(id)
        guard job.state == .failed || job.state == .cancelled else {
            throw ServingError.notRetriable(id, state: job.state)
        }
        _ = try job.request.validate(for: model(job.request.model))
        try queue.reserve(for: job.owner)
        do {
            let (queued, sequence) = try await store.retry(id)
            return queue.add(queued, sequence: sequence)
        } catch {
            queue.release(for: job.owner)
            throw error
        }
    }

    /// Cancels a job if need be, waits until it has stopped, and removes it with its artifacts and what the disk keeps of
    /// its prompts. The same prompt of another job is encoded again when it is needed.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    package func delete(_ id: String) async throws {
        try await cancel(id)
        if queue.job(id) != nil {
            for await _ in try await events(of: id) {}
            // The stream also ends when the engine stops, with the job unfinished.
            guard queue.job(id) == nil else { throw ServingError.draining }
        }
        try forgetPrompts(of: try await store.job(id).request)
        try await store.delete(id)
        queue.forget(id)
    }

    /// - Throws: `ServingError.unknownArtifact`, `expiredArtifact`, `storage`.
    package func artifact(_ id: String) async throws -> Artifact {
        try await store.artifact(id)
    }

    /// Calls `JobStore.picturePath`.
    package func picturePath(_ digest: String, of job: Job) throws -> String { try store.picturePath(digest, of: job) }

    /// What happens to a job from now on; ends after the event that ends the job, or when the engine stops.
    ///
    /// The first event is the present state. With `after`, it is instead what followed the event of that id, as far
    /// back as is remembered. A reader that falls far behind loses events in the middle, never the last one.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    package func events(of id: String, after: Int64? = nil) async throws -> AsyncStream<JobEvent> {
        if let log = queue.log(of: id) { return log.subscribe(after: after) }
        // Finished long ago: all there is to tell is how it ended.
        let job = try await store.job(id)
        let log = EventLog()
        let end = EventLog.id(at: job.finishedAt ?? job.createdAt)
        if let after, after >= end, after <= EventLog.id(at: Date()) {
            // Whoever has an event from after the job's end has its last one.
            log.close()
            return log.subscribe(after: nil)
        }
        log.append(JobQueue.lastEvent(of: job), job, at: job.finishedAt ?? job.createdAt)
        log.close()
        return log.subscribe(after: after)
    }

    // MARK: Operation

    /// What /readyz answers.
    package var readiness: Readiness { store.displacement.map { .notReady("\($0)") } ?? queue.readiness }

    /// What /metrics answers: `metrics` with the present state of queue and memory.
    package func renderMetrics() -> String {
        let counts = queue.counts
        metrics.set("phasor_jobs", "Unfinished jobs by state.", ["state": "queued"], to: Double(counts.queued))
        metrics.set("phasor_jobs", "Unfinished jobs by state.", ["state": "running"], to: Double(counts.running))
        setPartLines()
        // A database that cannot be read is told by /readyz.
        try? webhooks?.setWaiting()
        let memory = Arena.shared.use
        let help = "Bytes of activations: in use, the most there were, and kept for reuse."
        metrics.set("phasor_activation_bytes", help, ["use": "now"], to: Double(memory.inUse))
        metrics.set("phasor_activation_bytes", help, ["use": "peak"], to: Double(memory.peak))
        metrics.set("phasor_activation_bytes", help, ["use": "idle"], to: Double(memory.idle))
        metrics.total(
            "phasor_log_lines_dropped_total", "Lines that standard error did not take.",
            to: Double(LogWriter.standardError.dropped))
        // All models share one.
        if let report = models.lazy.compactMap(\.residency.report).first { metrics.set(report) }
        return metrics.render()
    }

    /// Every part of every model, also one that nobody waits for: whoever scales by a series needs its zero.
    private func setPartLines() {
        let parts = Dictionary(models.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let lines = queue.partLines { job in
            parts[job.request.model]?.firstPart(withPictures: !job.request.pictureDigests.isEmpty) ?? "none"
        }
        let now = Date().timeIntervalSince1970
        for model in models {
            for part in model.passedParts {
                let line = lines[PartLine.Place(model: model.id, part: part)] ?? PartLine()
                let labels: Metrics.Labels = ["model": model.id, "part": part.name]
                metrics.set(
                    "phasor_waiting_jobs", "Unfinished jobs that need the part next and are not computed now.", labels,
                    to: Double(line.jobs))
                metrics.set(
                    "phasor_oldest_wait_seconds", "How long the job has waited that has waited longest for the part.",
                    labels, to: line.since.map { max(0, now - $0) } ?? 0)
            }
        }
    }

    /// Takes no more jobs, lets the running ones finish, and stops. After `seconds` the running ones are stopped as well;
    /// they and the queued ones run when an engine is started on the folder again.
    package func drain(within seconds: Double) async {
        queue.drain()
        let deadline = ContinuousClock.now + .seconds(seconds)
        while queue.mode != .stopped {
            if ContinuousClock.now >= deadline { queue.stop() }
            // A task that is cancelled no longer sleeps; then there is no more waiting either.
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return queue.stop() }
        }
        webhooks?.stop()
        while webhooks?.isRunning == true {
            // Another process may work on the folder as soon as it is released.
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return }
        }
        store.release()
    }

    private func forgetPrompts(of request: GenerationRequest) throws {
        guard let model = models.first(where: { $0.id == request.model }) else { return }
        // An embedding of no word of the client's own may still be one of the client's pictures.
        let isOwn = request.negativePrompt != nil || model.parts.promptEncoder.seesPictures
        let negative = isOwn ? model.traits.negativeText(request.negativePrompt) : ""
        for prompt in [request.prompt, negative] where !prompt.isEmpty {
            try EmbeddingKey.erase(prompt, model, from: store.prompts)
        }
    }

    private static func newID(_ kind: GenerationRequest.Kind) -> String {
        let random = (0..<2).map { _ in Hexadecimal.text(UInt64.random(in: .min ... .max)) }
        return "\(kind.rawValue)_\(random.joined())"
    }
}
