import Foundation
import Jobs
import Logging
import Pipelines
import Serving

/// Makes the files of a manifest, each once, whatever interrupts it.
///
/// Every file is a job of an engine whose state lies in the output folder. Its idempotency key is made of the request,
/// the file's name and the model: a run after an interruption meets the jobs of the run before, finished or not, and
/// neither loses nor repeats them. A bounded number of jobs is in the engine at a time; the engine decides in which order
/// they are stepped.
package struct BatchRun: Sendable {
    let manifest: Manifest
    let model: Pipeline
    let made: Sidecar.Maker
    let folder: BatchFolder
    let options: Options

    package struct Options: Sendable {
        /// Jobs that are in the engine at a time.
        package var window = 32
        /// The share that `manifest` is of a greater one.
        package var shard: Shard?
        /// Refuse a folder that no batch has worked on.
        package var mustResume = false
        /// Seconds after which a run is given up whose disk takes nothing.
        package var patience = 60.0
        /// Has the jobs done elsewhere: makes an engine with a folder for files on their way, and says whose the jobs are
        /// among those of others. Nil for an engine of this process.
        package var elsewhere: (engine: @Sendable (_ folder: String) throws -> Engine, owner: String)?

        package init() {}
    }

    package init(
        _ manifest: Manifest, model: Pipeline, made: Sidecar.Maker, folder: String,
        options: Options = Options()
    ) {
        self.manifest = manifest
        self.model = model
        self.made = made
        self.folder = BatchFolder(path: folder, shard: options.shard)
        self.options = options
    }

    /// - Parameters:
    ///   - onStart: gets what tells how far the batch is.
    ///   - onFault: gets why the disk takes nothing, as soon as that is known, and nil when it takes files again.
    /// - Throws: `BatchError`, or `ServingError` where the folder cannot be used; a file that fails is in the summary.
    package func run(
        logger: Logger, onStart: (BatchProgress) -> Void, onFault: @escaping @Sendable (String?) -> Void = { _ in }
    ) async throws -> BatchSummary {
        if options.mustResume, !FileManager.default.fileExists(atPath: folder.statePath) {
            throw BatchError.nothingToResume(folder: folder.path)
        }
        try DurableFile.makeFolder(folder.path)
        let engine =
            try options.elsewhere?.engine("\(folder.statePath)/shared")
            ?? Engine(models: [model], options: engineOptions, logger: logger)
        do {
            folder.finishDeliveries()
            let plan = try plan()
            onStart(plan.progress)
            let summary = try await Self.first(
                of: { try await make(plan, in: engine) },
                unless: { try await watchStorage(of: engine, onFault) })
            await engine.drain(within: 60)
            return summary
        } catch {
            // Stops what is computed and lets go of the folder, in a task that is not cancelled with this one.
            await Task { await engine.drain(within: 0) }.value
            throw error
        }
    }

    /// What is to be made, what cannot be, and what tells how far it is.
    private struct Plan {
        let pending: [Manifest.Item]
        let blocked: [BatchSummary.Failure]
        let progress: BatchProgress
    }

    private func plan() throws -> Plan {
        let missing = try manifest.items.filter { item in
            !folder.isDone(item, made: made, identity: try identity(of: item))
        }
        // Nothing is computed that could not get its name.
        var pending: [Manifest.Item] = []
        var blocked: [BatchSummary.Failure] = []
        for item in missing {
            if let reason = item.fault ?? folder.obstacle(to: item.file) {
                blocked.append(BatchSummary.Failure(line: item.line, file: item.file, reason: reason))
            } else {
                pending.append(item)
            }
        }
        let work = try pending.reduce(0.0) { sum, item in
            sum + BatchProgress.work(of: item.request, steps: try item.request.validate(for: model))
        }
        let progress = BatchProgress(
            total: manifest.items.count, kept: manifest.items.count - missing.count, work: work)
        for _ in blocked { progress.finish(succeeded: false) }
        return Plan(pending: pending, blocked: blocked, progress: progress)
    }

    private func make(_ plan: Plan, in engine: Engine) async throws -> BatchSummary {
        let (pending, progress) = (plan.pending, plan.progress)
        var left = try await unfinished(engine)
        var failures = plan.blocked
        try await withThrowingTaskGroup(of: BatchSummary.Failure?.self) { group in
            for (count, item) in pending.enumerated() {
                if count >= options.window, let ended = try await group.next() {
                    failures += [ended].compactMap(\.self)
                }
                do {
                    let job = try await submit(item, to: engine)
                    left.remove(job.id)
                    group.addTask { try await finish(item, job, engine, progress) }
                } catch {
                    failures.append(try failure(of: item, error, progress))
                }
                // What the run before had begun is among the first of this one, or is of another manifest.
                if count + 1 == min(options.window, pending.count) { try await cancel(left, in: engine) }
            }
            for try await ended in group { failures += [ended].compactMap(\.self) }
        }
        if pending.isEmpty { try await cancel(left, in: engine) }
        try await forgetFinished(engine)
        let end = progress.snapshot
        return BatchSummary(
            made: end.done, kept: end.kept, failed: failures.sorted { ($0.line, $0.file) < ($1.line, $1.file) },
            seconds: end.seconds, stages: end.stages)
    }

    private func identity(of item: Manifest.Item) throws -> ModelIdentity {
        try ModelIdentity(model, generator: item.request.generator, decoder: item.request.decoder)
    }

    /// Ends with the first of the two that ends; the other is cancelled.
    private static func first<Result: Sendable>(
        of work: @escaping @Sendable () async throws -> Result,
        unless watch: @escaping @Sendable () async throws -> Void
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await watch()
                return nil
            }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let ended { return ended }
            }
            throw CancellationError()
        }
    }

    /// The engine waits for a disk that takes nothing. So that nobody else waits with it, that is told, and after some time
    /// the run ends.
    private func watchStorage(of engine: Engine, _ onFault: @Sendable (String?) -> Void) async throws {
        var since: ContinuousClock.Instant?
        while !Task.isCancelled {
            if case .notReady(let reason) = engine.readiness {
                let begin = since ?? .now
                if since == nil { onFault(reason) }
                since = begin
                guard begin.duration(to: .now) < .seconds(options.patience) else {
                    throw BatchError.noRoom(reason: reason, seconds: Int(options.patience))
                }
            } else if since != nil {
                since = nil
                onFault(nil)
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private var engineOptions: EngineOptions {
        var engine = EngineOptions(stateFolder: folder.statePath)
        engine.queueCapacity = options.window + 1
        engine.generator = made.provenance
        // A batch may take weeks; jobs go when their files are delivered.
        engine.store.retentionSeconds = 1e9
        engine.store.retentionBytes = .max
        engine.store.historySeconds = 1e9
        // What it makes is linked into the output folder, and is to be read by whoever may read that.
        engine.store.isPrivate = false
        return engine
    }

    // MARK: One file

    private func submit(_ item: Manifest.Item, to engine: Engine) async throws -> Job {
        let key = try key(of: item)
        let pictures = try item.pictures.map { picture throws(BatchError) in try picture.file() }
        for picture in pictures { try folder.keep(picture) }
        let owner = options.elsewhere?.owner
        let job = try await engine.submit(
            item.request, pictures: pictures, priority: .batch, owner: owner, idempotency: key)
        guard job.state == .failed || job.state == .cancelled else { return job }
        // An earlier run ended it; this one tries again.
        try await engine.delete(job.id)
        return try await engine.submit(
            item.request, pictures: pictures, priority: .batch, owner: owner, idempotency: key)
    }

    private func key(of item: Manifest.Item) throws -> Idempotency {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let text =
            try encoder.encode(item.request) + Data((made.precision + (made.provenance ?? "")).utf8)
            + encoder.encode(identity(of: item))
        let digest = Idempotency(key: "", body: text).fingerprint
        return Idempotency(key: "\(item.file) \(digest)", body: text)
    }

    /// Follows a job to its end and delivers its file.
    /// - Returns: why there is none, or nil.
    private func finish(
        _ item: Manifest.Item, _ job: Job, _ engine: Engine, _ progress: BatchProgress
    ) async throws -> BatchSummary.Failure? {
        // From the first on: a quick step may be done before anybody listens.
        for await event in try await engine.events(of: job.id, after: 0) { progress.add(event) }
        let ended = try await engine.job(job.id)
        guard ended.state == .succeeded, let artifact = ended.artifacts.first else {
            // The engine has stopped: the job runs on in the next run.
            guard ended.state.isTerminal else { throw ServingError.draining }
            progress.finish(succeeded: false)
            return BatchSummary.Failure(
                line: item.line, file: item.file, reason: ended.failure?.message ?? ended.state.rawValue)
        }
        let identity = try identity(of: item)
        // Made elsewhere, it is brought here first.
        let file = try await engine.artifact(artifact.id).path
        let obstacle: BatchError?
        do throws(BatchError) {
            try folder.deliver(item, artifact: file, made: made, identity: identity)
            obstacle = nil
        } catch {
            obstacle = error
        }
        // The file has its name, or cannot get it; the job has no more to tell.
        try await engine.delete(job.id)
        if let obstacle { return try failure(of: item, obstacle, progress) }
        progress.finish(succeeded: true)
        return nil
    }

    /// What goes wrong with one file is told of that file, and the others are made. What concerns all of them is thrown.
    private func failure(
        of item: Manifest.Item, _ error: any Error, _ progress: BatchProgress
    ) throws -> BatchSummary.Failure {
        switch error {
        case ServingError.draining, ServingError.storage, ServingError.stateInUse, is CancellationError: throw error
        default:
            progress.finish(succeeded: false)
            return BatchSummary.Failure(line: item.line, file: item.file, reason: "\(error)")
        }
    }

    // MARK: What another run left

    private func unfinished(_ engine: Engine) async throws -> Set<String> {
        Set(try await jobs(engine).filter { !$0.state.isTerminal }.map(\.id))
    }

    /// Jobs whose files were delivered just before a run was killed, or that nobody asks for any more.
    private func forgetFinished(_ engine: Engine) async throws {
        for job in try await jobs(engine) where job.state.isTerminal { try await engine.delete(job.id) }
    }

    private func jobs(_ engine: Engine) async throws -> [Job] {
        var jobs: [Job] = []
        while true {
            let page = try await engine.jobs(
                owner: options.elsewhere?.owner, limit: 1000, after: jobs.last?.id, oldestFirst: true)
            jobs += page.jobs
            guard page.hasMore, !page.jobs.isEmpty else { return jobs }
        }
    }

    private func cancel(_ jobs: Set<String>, in engine: Engine) async throws {
        for id in jobs { try await engine.cancel(id) }
    }
}
