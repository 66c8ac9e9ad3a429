import Models

/// Where jobs are handed in and asked after: one machine's store and queue, or a ledger that many machines share.
///
/// An `Engine` checks what comes in and calls it. No method waits for a computation, except `delete` of a running job and
/// `drain`.
package protocol JobService: Sendable {
    /// The job that used this key before, whatever its state.
    /// - Throws: `ServingError.idempotencyConflict`, `storage`.
    func known(_ idempotency: Idempotency) async throws -> Job?

    /// Accepts a job: when this returns, job and pictures are durable.
    /// - Returns: the job with its position; with an idempotency key that was used meanwhile, the job of that time.
    /// - Throws: `ServingError.queueFull`, `shareFull`, `draining`, `idempotencyConflict`, `storage`.
    func accept(_ job: Job, pictures: [PictureFile], idempotency: Idempotency?) async throws -> (
        job: Job, isKnown: Bool
    )

    /// - Throws: `ServingError.unknownJob`, `storage`.
    func job(_ id: String) async throws -> Job

    /// Jobs in the order they were accepted.
    /// - Parameters:
    ///   - kind, owner: nil for all.
    ///   - after: the last job of the page before.
    /// - Throws: `ServingError.unknownJob` for `after`, `storage`.
    func jobs(
        kind: GenerationRequest.Kind?, owner: String?, limit: Int, after: String?, oldestFirst: Bool
    ) async throws -> JobPage

    /// Stops a job; one that has ended stays as it is. When this returns, no kill brings the job back.
    /// - Returns: the job as it is right after.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    func cancel(_ id: String) async throws -> Job

    /// Puts a job that has failed or was cancelled back into the queue.
    /// - Parameter check: refuses a job by throwing.
    /// - Throws: `ServingError.unknownJob`, `notRetriable`, `queueFull`, `shareFull`, `draining`, `storage`.
    func retry(_ id: String, check: @Sendable (Job) throws -> Void) async throws -> Job

    /// Cancels a job if need be, waits until it has stopped, and removes it with its files and what is kept of its prompts.
    /// - Throws: `ServingError.unknownJob`, `draining`, `storage`.
    func delete(_ id: String) async throws

    /// A finished file, which then lies at the artifact's path.
    /// - Throws: `ServingError.unknownArtifact`, `expiredArtifact`, `storage`.
    func artifact(_ id: String) async throws -> Artifact

    /// An address of another server that gives a finished file, for a while; nil where it is this one that does.
    /// - Throws: `ServingError.unknownArtifact`, `expiredArtifact`, `storage`.
    func link(toArtifact id: String) async throws -> String?

    /// Returns the path of a picture that a job starts from; retention may have removed the file.
    /// - Throws: `ServingError.unknownArtifact` for one that the job does not start from; `storage`.
    func picturePath(_ digest: String, of job: Job) async throws -> String

    /// What happens to a job from now on; ends after the event that ends the job, or when the service stops.
    ///
    /// The first event is the present state. With `after`, it is instead what followed the event of that id, as far
    /// back as is remembered. A reader that falls far behind loses events in the middle, never the last one.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    func events(of id: String, after: Int64?) async throws -> AsyncStream<JobEvent>

    /// Whether a job would be taken now.
    var readiness: Readiness { get }

    /// What the service knows of its queue, for /metrics; nil while it cannot be asked.
    /// - Parameter first: the part that a job needs first.
    func backlog(first: @Sendable (Job) -> Part) async -> Backlog?

    /// Takes no more jobs, lets the running ones finish for some seconds, and stops.
    func drain(within seconds: Double) async
}

/// How much is to be done.
package struct Backlog: Sendable {
    package var queued: Int
    package var running: Int
    /// Whom each part keeps waiting; a part that keeps nobody waiting is not there.
    package var lines: [PartLine.Place: PartLine]
    /// Ends of jobs that are still to be told to a webhook; nil without webhooks.
    package var notices: Int?

    package init(queued: Int, running: Int, lines: [PartLine.Place: PartLine], notices: Int? = nil) {
        (self.queued, self.running, self.lines, self.notices) = (queued, running, lines, notices)
    }
}
