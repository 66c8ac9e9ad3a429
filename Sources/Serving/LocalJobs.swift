import Foundation
import Jobs
import Logging
import Models
import Pipelines

/// The jobs of one machine: a store on disk, a queue in memory, and a thread that computes, in the order that a policy
/// decides.
final class LocalJobs: JobService {
    private let models: [Pipeline]
    private let metrics: Metrics
    private let store: JobStore
    private let queue: JobQueue
    private let webhooks: Webhooks?

    /// Opens the state folder, takes up the jobs that a stop or a crash left there, and starts to compute.
    /// - Throws: `ServingError.storage`, `stateInUse`, `refusedState`.
    init(models: [Pipeline], options: EngineOptions, metrics: Metrics, logger: Logger) throws {
        let store = try JobStore(options: options.store, logger: logger)
        let queue = JobQueue(capacity: options.queueCapacity, share: options.queueShare, turns: store.turns)
        (self.models, self.metrics, self.store, self.queue) = (models, metrics, store, queue)
        webhooks = try Webhooks(
            options.webhooks, ledger: store, folder: store.folder, metrics: metrics, logger: logger)
        let left = try store.recover()
        if !left.isEmpty { logger.notice("taking up \(left.count) jobs of the last run") }
        queue.restore(left)
        ComputeThread.start(
            models: models, store: store, queue: queue, metrics: metrics, options: options, logger: logger)
        webhooks?.start()
    }

    deinit {
        queue.stop()
        webhooks?.stop()
    }

    // MARK: Coming in

    func known(_ idempotency: Idempotency) async throws -> Job? {
        guard let known = try await store.known(idempotency) else { return nil }
        return try await job(known.job.id)
    }

    func accept(
        _ job: Job, pictures: [PictureFile], idempotency: Idempotency?
    ) async throws -> (job: Job, isKnown: Bool) {
        try queue.reserve(for: job.owner)
        let acceptance: Acceptance
        do {
            try await store.keep(pictures, of: job.id)
            acceptance = try await store.insert(job, idempotency: idempotency)
        } catch {
            store.letGo(pictures, of: job.id)
            queue.release(for: job.owner)
            throw error
        }
        if acceptance.isKnown {
            store.letGo(pictures, of: job.id)
            queue.release(for: job.owner)
            return (try await self.job(acceptance.job.id), true)
        }
        return (queue.add(job, sequence: acceptance.sequence), false)
    }

    func retry(_ id: String, check: @Sendable (Job) throws -> Void) async throws -> Job {
        // One that is being stopped is out when its computation has ended.
        if let live = queue.job(id) { throw ServingError.notRetriable(id, state: live.state) }
        let job = try await store.job(id)
        guard job.state == .failed || job.state == .cancelled else {
            throw ServingError.notRetriable(id, state: job.state)
        }
        try check(job)
        try queue.reserve(for: job.owner)
        do {
            let (queued, sequence) = try await store.retry(id)
            return queue.add(queued, sequence: sequence)
        } catch {
            queue.release(for: job.owner)
            throw error
        }
    }

    // MARK: Looking

    func job(_ id: String) async throws -> Job {
        if let live = queue.job(id) { return live }
        return try await store.job(id)
    }

    func jobs(
        kind: GenerationRequest.Kind?, owner: String?, limit: Int, after: String?, oldestFirst: Bool
    ) async throws -> JobPage {
        let page = try await store.jobs(
            kind: kind, owner: owner, limit: limit, after: after, oldestFirst: oldestFirst)
        return JobPage(
            jobs: page.jobs.map { queue.job($0.id) ?? $0 }, hasMore: page.hasMore, unreadable: page.unreadable)
    }

    func artifact(_ id: String) async throws -> Artifact { try await store.artifact(id) }

    func link(toArtifact id: String) -> String? { nil }

    func picturePath(_ digest: String, of job: Job) throws -> String { try store.picturePath(digest, of: job) }

    func events(of id: String, after: Int64?) async throws -> AsyncStream<JobEvent> {
        if let log = queue.log(of: id) { return log.subscribe(after: after) }
        // Finished long ago: all there is to tell is how it ended.
        return EventLog.ended(try await store.job(id), after: after)
    }

    // MARK: Going

    func cancel(_ id: String) async throws -> Job {
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

    func delete(_ id: String) async throws {
        _ = try await cancel(id)
        if queue.job(id) != nil {
            for await _ in try await events(of: id, after: nil) {}
            // The stream also ends when the engine stops, with the job unfinished.
            guard queue.job(id) == nil else { throw ServingError.draining }
        }
        try forgetPrompts(of: try await store.job(id).request)
        try await store.delete(id)
        queue.forget(id)
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

    // MARK: Operation

    var readiness: Readiness { store.displacement.map { .notReady("\($0)") } ?? queue.readiness }

    func backlog(first: @Sendable (Job) -> Part) -> Backlog? {
        let counts = queue.counts
        // A database that cannot be read is told by /readyz.
        return Backlog(
            queued: counts.queued, running: counts.running, lines: queue.partLines(first: first),
            notices: webhooks.flatMap { _ in try? store.noticeCount() })
    }

    func drain(within seconds: Double) async {
        await queue.drain(within: seconds)
        webhooks?.stop()
        while webhooks?.isRunning == true {
            // Another process may work on the folder as soon as it is released.
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return }
        }
        store.release()
    }
}
