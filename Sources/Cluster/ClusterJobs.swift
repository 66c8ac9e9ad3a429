import Blobs
import Foundation
import Jobs
import Logging
import Models
import Pipelines
import Serving
import Synchronization

/// The jobs that many machines share: rows of a PostgreSQL ledger, and files of a blob store. Every front has one of
/// these; what any front is asked, it answers.
package final class ClusterJobs: JobService {
    private let ledger: PostgresLedger
    private let models: [Pipeline]
    private let options: ClusterOptions
    private let folder: WorkFolder
    private let pictures: BlobCache
    private let listener: JobListener
    private let logger: Logger
    private let state = Mutex<(isDraining: Bool, fault: String?)>((false, nil))
    private let upkeep = Mutex<Task<Void, Never>?>(nil)
    private let webhooks: Webhooks?
    /// What this process computes, which drains with it.
    private let work: ClusterWork?

    /// - Parameters:
    ///   - webhooks: tells ends of jobs; several fronts may.
    ///   - work: what this process computes; nil for a front alone.
    package init(
        models: [Pipeline], ledger: PostgresLedger, blobs: any BlobStore, folder: WorkFolder, options: ClusterOptions,
        webhooks: Webhooks?, work: ClusterWork?, logger: Logger
    ) {
        (self.models, self.ledger, self.folder, self.options) = (models, ledger, folder, options)
        (self.webhooks, self.work, self.logger) = (webhooks, work, logger)
        pictures = BlobCache(folder: folder.pictures, blobs: blobs)
        listener = JobListener(ledger)
        webhooks?.start()
        let look: @Sendable () -> ClusterJobs? = { [weak self] in self }
        upkeep.withLock { $0 = Task { await Self.keepUp(look) } }
    }

    deinit {
        upkeep.withLock { $0?.cancel() }
        webhooks?.stop()
    }

    // MARK: Coming in

    package func known(_ idempotency: Idempotency) async throws -> Job? {
        try await ledger.known(idempotency)?.job
    }

    package func accept(
        _ job: Job, pictures files: [PictureFile], idempotency: Idempotency?
    ) async throws -> (job: Job, isKnown: Bool) {
        try await refuse(job.owner)
        try await keep(files, of: job)
        let acceptance: Acceptance
        do {
            acceptance = try await ledger.insert(job, idempotency: idempotency)
        } catch {
            // Whether a database that broke off has stored the job, nobody knows yet: it may need its pictures, which
            // retention removes if it is not there.
            if case ServingError.storage = error { throw error }
            await letGo(job)
            throw error
        }
        if acceptance.isKnown { await letGo(job) }
        return (acceptance.job, acceptance.isKnown)
    }

    package func retry(_ id: String, check: @Sendable (Job) throws -> Void) async throws -> Job {
        let job = try await ledger.job(id)
        guard job.state == .failed || job.state == .cancelled else {
            throw ServingError.notRetriable(id, state: job.state)
        }
        try check(job)
        try await refuse(job.owner)
        return try await ledger.retry(id).job
    }

    /// - Throws: `ServingError.draining`, `queueFull`, `shareFull`, `storage`.
    private func refuse(_ owner: String?) async throws {
        guard !state.withLock({ $0.isDraining }) else { throw ServingError.draining }
        try await ledger.checkRoom(
            for: owner, capacity: options.queueCapacity, share: options.queueShare, retryAfter: Self.retryAfter)
    }

    /// Seconds: no machine knows the throughput of all.
    private static let retryAfter = 10

    // MARK: Pictures

    private func keep(_ files: [PictureFile], of job: Job) async throws {
        guard !files.isEmpty else { return }
        let pictures = pictures
        try await Blocking.run { [ledger] in
            try ledger.noteUpload(of: job.id)
            for (file, name) in zip(files, files.map { job.pictureName($0.digest) }) {
                try pictures.put(file.bytes, as: name)
            }
        }
    }

    private func letGo(_ job: Job) async {
        let (pictures, names) = (pictures, job.pictureNames)
        guard !names.isEmpty else { return }
        try? await Blocking.run { try pictures.remove(names) }
    }

    package func picturePath(_ digest: String, of job: Job) async throws -> String {
        guard job.request.pictureDigests.contains(digest), try await pictures.bring(job.pictureName(digest)) else {
            throw ServingError.unknownArtifact(digest)
        }
        return folder.pictures.path(of: job.pictureName(digest))
    }

    // MARK: Looking

    package func job(_ id: String) async throws -> Job { try await ledger.job(id) }

    package func jobs(
        kind: GenerationRequest.Kind?, owner: String?, limit: Int, after: String?, oldestFirst: Bool
    ) async throws -> JobPage {
        try await ledger.jobs(kind: kind, owner: owner, limit: limit, after: after, oldestFirst: oldestFirst)
    }

    package func artifact(_ id: String) async throws -> Artifact { try await ledger.artifact(id) }

    package func link(toArtifact id: String) async throws -> String? {
        guard let seconds = options.linkSeconds else { return nil }
        let artifact = try await ledger.knownArtifact(id)
        return BlobName((artifact.path as NSString).lastPathComponent)
            .flatMap { pictures.blobs.link(to: $0, seconds: seconds) }
    }

    package func events(of id: String, after: Int64?) async throws -> AsyncStream<JobEvent> {
        _ = try await ledger.job(id)
        let stream = ClusterEvents(job: id, ledger: ledger, blobs: pictures.blobs, listener: listener, logger: logger)
        return stream.follow(after: after) { [weak self] in self?.state.withLock { $0.isDraining } ?? true }
    }

    // MARK: Going

    package func cancel(_ id: String) async throws -> Job {
        _ = try await ledger.cancel(ledger.job(id), at: .storable)
        return try await ledger.job(id)
    }

    package func delete(_ id: String) async throws {
        let job = try await cancel(id)
        try await ledger.delete(id)
        folder.pictures.remove(job.pictureNames)
    }

    // MARK: Operation

    package var readiness: Readiness {
        state.withLock { state in
            if state.isDraining { return .notReady("\(ServingError.draining)") }
            return state.fault.map { .notReady($0) } ?? .ready
        }
    }

    package func backlog(first: @Sendable (Job) -> Part) async -> Backlog? {
        try? await Blocking.run { [ledger, webhooks] in
            let counts = try ledger.counts()
            return Backlog(
                queued: counts.queued, running: counts.running, lines: try ledger.partLines(),
                notices: try webhooks.map { _ in try ledger.noticeCount() })
        }
    }

    package func drain(within seconds: Double) async {
        state.withLock { $0.isDraining = true }
        await work?.drain(within: seconds)
        upkeep.withLock { $0?.cancel() }
        webhooks?.stop()
        folder.release()
    }

    /// Looks about once a second whether the ledger answers, every ten seconds whether the blob store does and whether
    /// the line wants cleaning, and once a minute what retention would remove.
    private static func keepUp(_ look: @Sendable () -> ClusterJobs?) async {
        var sweep = ContinuousClock.now
        var cleaning = ContinuousClock.now
        while !Task.isCancelled {
            guard let service = look() else { return }
            do {
                let isDue = service.options.retains && ContinuousClock.now >= sweep
                // A fault is looked at again at once.
                let isUntidy = ContinuousClock.now >= cleaning || service.state.withLock { $0.fault != nil }
                if isUntidy { cleaning = .now + .seconds(Double.random(in: 8...12)) }
                try await Blocking.run {
                    try service.ledger.probe()
                    if isUntidy { try service.probeBlobs() }
                    if isUntidy { try service.ledger.tidy() }
                    if isDue { try service.retain() }
                }
                if isDue { sweep = .now + .seconds(60) }
                service.state.withLock { $0.fault = nil }
            } catch {
                if service.state.withLock({ state in
                    defer { state.fault = "\(error)" }
                    return state.fault == nil
                }) {
                    service.logger.error("\(error)")
                }
            }
            try? await Task.sleep(for: .seconds(Double.random(in: 0.8...1.2)))
        }
    }

    /// Whether the blob store answers.
    private func probeBlobs() throws {
        guard let name = BlobName("probe") else { return }
        _ = try BlobCache.storing { () throws(BlobFault) in try pictures.blobs.size(of: name) }
    }

    private func retain() throws {
        try ledger.retain()
        // What is in the store can be brought again.
        let now = Date().timeIntervalSince1970
        for files in [folder.artifacts, folder.pictures] {
            let copies = BlobCache(folder: files, blobs: pictures.blobs)
            copies.trim(try files.names(), to: options.cacheBytes, now: now)
        }
    }
}
