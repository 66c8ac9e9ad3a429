import Foundation
import Jobs
import Logging
import Models
import Pipelines
import Support
import Tensor

/// What an API talks to: it checks requests against the models, and hands the jobs to a service that keeps them and has
/// them run.
///
/// Every method may be called from any task and none waits for a computation, except `delete` of a running job (one
/// transformer block) and `drain`.
package final class Engine: Sendable {
    package let models: [Pipeline]
    package let metrics: Metrics
    /// The program, as the provenance in every file names it; nil leaves the provenance out.
    package let generator: String?
    private let service: any JobService

    /// Opens the state folder, takes up the jobs that a stop or a crash left there, and starts to compute.
    /// - Parameter models: the first is the default.
    /// - Throws: `ServingError.storage`, `stateInUse`, `refusedState`.
    package convenience init(models: [Pipeline], options: EngineOptions, logger: Logger) throws {
        let metrics = Metrics()
        let local = try LocalJobs(models: models, options: options, metrics: metrics, logger: logger)
        self.init(models: models, service: local, metrics: metrics, generator: options.generator)
    }

    /// - Parameters:
    ///   - models: the first is the default.
    ///   - generator: `EngineOptions.generator`.
    package init(models: [Pipeline], service: any JobService, metrics: Metrics, generator: String?) {
        (self.models, self.service, self.metrics, self.generator) = (models, service, metrics, generator)
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
        if let idempotency, let known = try await service.known(idempotency) { return known }
        let steps = try request.validate(for: model)
        let files = try request.pictureDigests.map { digest in
            guard let file = pictures.first(where: { $0.digest == digest }) else {
                throw ServingError.invalid(field: "image", reason: "the picture \(digest) was not sent along")
            }
            return file
        }
        let references = (request.images ?? []).compactMap { digest in files.first { $0.digest == digest }?.size }
        try request.validateReferences(of: references, for: model)
        let job = Job(
            id: Self.newID(request.kind), request: try request.settled(for: model), priority: priority, owner: owner,
            steps: steps, createdAt: .storable)
        let accepted = try await service.accept(job, pictures: files, idempotency: idempotency)
        if !accepted.isKnown {
            metrics.count("phasor_jobs_accepted_total", "Jobs accepted, by kind.", ["kind": request.kind.rawValue])
        }
        return accepted.job
    }

    /// Calls `JobService.job`.
    package func job(_ id: String) async throws -> Job { try await service.job(id) }

    /// Calls `JobService.jobs`.
    package func jobs(
        kind: GenerationRequest.Kind? = nil, owner: String? = nil, limit: Int = 20, after: String? = nil,
        oldestFirst: Bool = false
    ) async throws -> JobPage {
        try await service.jobs(kind: kind, owner: owner, limit: limit, after: after, oldestFirst: oldestFirst)
    }

    /// Calls `JobService.cancel`. A job that is being computed is `cancelled` within one transformer block: its event
    /// stream tells.
    @discardableResult
    package func cancel(_ id: String) async throws -> Job { try await service.cancel(id) }

    /// Runs a job again that has failed or was cancelled, from where it was if that is kept: under the same id, with the
    /// same request, to the same bytes.
    /// - Returns: the job with its position.
    /// - Throws: as `JobService.retry`; `invalid`, `unknownModel` where the models of today do not take it.
    package func retry(_ id: String) async throws -> Job {
        try await service.retry(id) { [self] job in
            _ = try job.request.validate(for: model(job.request.model))
        }
    }

    /// Calls `JobService.delete`. The same prompt of another job is encoded again when it is needed.
    package func delete(_ id: String) async throws { try await service.delete(id) }

    /// Calls `JobService.artifact`.
    package func artifact(_ id: String) async throws -> Artifact { try await service.artifact(id) }

    /// The bytes of a finished file, wherever it lies.
    /// - Throws: as `JobService.artifact`.
    package func content(of artifact: Artifact) async throws -> Data {
        let path = try await service.artifact(artifact.id).path
        do {
            return try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw ServingError.storage(operation: "reading \(path)", reason: error.localizedDescription)
        }
    }

    /// Calls `JobService.link`.
    package func link(toArtifact id: String) async throws -> String? { try await service.link(toArtifact: id) }

    /// Calls `JobService.picturePath`.
    package func picturePath(_ digest: String, of job: Job) async throws -> String {
        try await service.picturePath(digest, of: job)
    }

    /// Calls `JobService.events`.
    package func events(of id: String, after: Int64? = nil) async throws -> AsyncStream<JobEvent> {
        try await service.events(of: id, after: after)
    }

    // MARK: Operation

    /// What /readyz answers.
    package var readiness: Readiness { service.readiness }

    /// What /metrics answers: `metrics` with the present state of queue and memory.
    package func renderMetrics() async -> String {
        if let backlog = await service.backlog(first: { [models] job in
            let model = models.first { $0.id == job.request.model }
            return model?.firstPart(withPictures: !job.request.pictureDigests.isEmpty) ?? "none"
        }) {
            metrics.set(backlog, of: models)
        }
        metrics.setMemory(of: models)
        return metrics.render()
    }

    /// Takes no more jobs, lets the running ones finish, and stops. After `seconds` the running ones are stopped as well;
    /// they and the queued ones run when an engine is started on the folder again.
    package func drain(within seconds: Double) async { await service.drain(within: seconds) }

    private static func newID(_ kind: GenerationRequest.Kind) -> String {
        let random = (0..<2).map { _ in Hexadecimal.text(UInt64.random(in: .min ... .max)) }
        return "\(kind.rawValue)_\(random.joined())"
    }
}
