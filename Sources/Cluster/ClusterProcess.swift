import Blobs
import Foundation
import Jobs
import Logging
import Pipelines
import PostgreSQL
import Serving

/// A process of a cluster: a front, a worker, or both.
package struct ClusterProcess {
    package let engine: Engine
    package let ledger: PostgresLedger

    /// Opens the ledger and, where the process computes, begins to claim.
    /// - Parameters:
    ///   - models: those that are served and computed; the first is the default.
    ///   - serving: how it computes, what it keeps, and who is told of ends of jobs; `store.folder` is not used.
    ///   - computes: whether it claims jobs.
    /// - Throws: `ClusterFault`; `ServingError.storage`, `stateInUse`, `refusedState`.
    package init(
        models: [Pipeline], address: PostgresAddress, blobs: any BlobStore, folder: WorkFolder,
        options: ClusterOptions, serving: EngineOptions, computes: Bool, logger: Logger
    ) throws {
        var ledgerOptions = LedgerOptions(address: address, folder: "\(folder.path)/artifacts", blobs: blobs) {
            try Self.needs(of: $0, models)
        }
        ledgerOptions.schema = options.schema
        ledgerOptions.retentionSeconds = serving.store.retentionSeconds
        ledgerOptions.retentionBytes = serving.store.retentionBytes
        ledgerOptions.historySeconds = serving.store.historySeconds
        ledger = try PostgresLedger(options: ledgerOptions, logger: logger)
        let metrics = Metrics()
        var work: ClusterWork?
        if computes {
            for model in models { try ledger.agree(on: model.arithmetic, for: model.id) }
            let claimed = ClusterWork(ledger: ledger, blobs: blobs, folder: folder, options: options, logger: logger)
            var serving = serving
            // Embeddings travel with their runs, and lie in no folder that a deletion would not reach.
            serving.promptCacheBytes = 0
            ComputeThread.start(
                models: models, store: claimed, queue: claimed.queue, metrics: metrics, options: serving, logger: logger
            )
            ClaimThread(models: models, work: claimed, worker: Self.worker, logger: logger).start()
            work = claimed
        }
        let webhooks = try Self.webhooks(serving.webhooks, ledger, folder, metrics, logger)
        let jobs = ClusterJobs(
            models: models, ledger: ledger, blobs: blobs, folder: folder, options: options, webhooks: webhooks,
            work: work, logger: logger)
        engine = Engine(models: models, service: jobs, metrics: metrics, generator: serving.generator)
    }

    /// Only a process that is given webhooks says who is told: one without any, such as a worker, takes none away from those
    /// that the fronts have set.
    private static func webhooks(
        _ options: WebhookOptions, _ ledger: PostgresLedger, _ folder: WorkFolder, _ metrics: Metrics, _ logger: Logger
    ) throws -> Webhooks? {
        guard !options.urls.isEmpty else { return nil }
        var options = options
        if options.secretFile == nil {
            let secret = try ledger.secret(WebhookSecret.name) { Array(WebhookSecret.text().utf8) }
            options.secret = String(decoding: secret, as: UTF8.self)
        }
        return try Webhooks(options, ledger: ledger, folder: folder.path, metrics: metrics, logger: logger)
    }

    /// What a job needs first, and the digests of all that takes part in it: a worker whose files have others leaves the
    /// job alone.
    private static func needs(of request: GenerationRequest, _ models: [Pipeline]) throws -> JobNeeds {
        guard let model = models.first(where: { $0.id == request.model }) else {
            throw ServingError.unknownModel(request.model, known: models.map(\.id))
        }
        let plan = try model.generators.generator(request.generator).plan
        return JobNeeds(
            part: model.firstPart(withPictures: !request.pictureDigests.isEmpty).name, shape: "",
            weights: model.identities(of: plan))
    }

    /// Names this process in the ledger.
    private static var worker: String {
        "\(ProcessInfo.processInfo.hostName) \(getpid()) \(UInt32.random(in: 0 ... .max))"
    }
}
