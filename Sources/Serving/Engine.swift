import Logging

/// Takes jobs, keeps them, and runs them one after the other on a thread of its own.
///
/// Every method may be called from any task and none waits for a computation, except `delete` of a running job (one
/// transformer block) and `drain`.
package final class Engine: Sendable {
    package let models: [any ImageModel]
    package let metrics = Metrics()

    /// Opens the state folder, takes up the jobs that a stop or a crash left there, and starts to compute.
    /// - Parameter models: the first is the default.
    /// - Throws: `ServingError.storage`, `stateInUse`.
    package init(models: [any ImageModel], options: EngineOptions, logger: Logger) throws {
        self.models = models
    }

    /// The model of that id.
    /// - Throws: `ServingError.unknownModel`.
    package func model(_ id: String) throws -> any ImageModel {
        guard let model = models.first(where: { $0.id == id }) else {
            throw ServingError.unknownModel(id, known: models.map(\.id))
        }
        return model
    }

    // MARK: Jobs

    /// Accepts a job: when this returns it is on disk, and will run even if the process is killed.
    ///
    /// Whoever wants it only as long as a client listens calls `cancel` when the client leaves.
    /// - Returns: the job; with an idempotency key that was used before, the job of that time, whatever its state.
    /// - Throws: `ServingError.invalid`, `unknownModel`, `queueFull`, `draining`, `idempotencyConflict`, `storage`.
    package func submit(_ request: GenerationRequest, idempotency: Idempotency? = nil) async throws -> Job {
        throw ServingError.draining
    }

    /// - Throws: `ServingError.unknownJob`, `storage`.
    package func job(_ id: String) async throws -> Job {
        throw ServingError.unknownJob(id)
    }

    /// Jobs in the order they were accepted.
    /// - Parameters:
    ///   - kind: nil for all.
    ///   - after: the last job of the page before.
    /// - Throws: `ServingError.unknownJob` for `after`, `storage`.
    package func jobs(
        kind: GenerationRequest.Kind? = nil, limit: Int = 20, after: String? = nil, oldestFirst: Bool = false
    ) async throws -> JobPage {
        throw ServingError.draining
    }

    /// Stops a job. A running one is `cancelled` within one transformer block: its event stream tells. What has
    /// finished stays as it is.
    /// - Returns: the job as it is right after.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    @discardableResult
    package func cancel(_ id: String) async throws -> Job {
        throw ServingError.unknownJob(id)
    }

    /// Cancels a job if need be, waits until it has stopped, and removes it with its artifacts.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    package func delete(_ id: String) async throws {
        throw ServingError.unknownJob(id)
    }

    /// - Throws: `ServingError.unknownArtifact`, `expiredArtifact`, `storage`.
    package func artifact(_ id: String) async throws -> Artifact {
        throw ServingError.unknownArtifact(id)
    }

    /// What happens to a job from now on; ends after the event that ends the job, or when the engine stops.
    ///
    /// The first event is the present state. With `after`, it is instead what followed the event of that id, as far
    /// back as is remembered. A reader that falls far behind loses events in the middle, never the last one.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    package func events(of id: String, after: Int64? = nil) async throws -> AsyncStream<JobEvent> {
        throw ServingError.unknownJob(id)
    }

    // MARK: Operation

    /// For /readyz.
    package var readiness: Readiness { .ready }

    /// Takes no more jobs, lets the running one finish, and stops. After `seconds` the running one is stopped as well;
    /// it and the queued ones run when the engine is started again.
    package func drain(within seconds: Double) async {}
}
