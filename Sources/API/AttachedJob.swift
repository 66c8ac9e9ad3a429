import Jobs
import Serving
import Synchronization

/// A job that runs for as long as somebody waits for it: when the last reference goes before the job has ended, because
/// the client left, the job is cancelled and its place in the queue is free.
final class AttachedJob: Sendable {
    let id: String
    private let engine: Engine
    private let hasEnded = Atomic(false)

    /// - Throws: as `Engine.submit`.
    init(_ request: GenerationRequest, pictures: [PictureFile] = [], owner: String?, engine: Engine) async throws {
        self.engine = engine
        id = try await engine.submit(request, pictures: pictures, owner: owner).id
    }

    deinit {
        guard !hasEnded.load(ordering: .relaxed) else { return }
        Task { [engine, id] in try await engine.cancel(id) }
    }

    /// Hands on what happens to the job, from its beginning.
    /// - Returns: the job, succeeded.
    /// - Throws: `APIError` when it failed, was cancelled, or waits for the next start of the server;
    ///   `CancellationError` when the client left; what `body` throws.
    func follow(_ body: (JobEvent) async throws -> Void = { _ in }) async throws -> Job {
        for await event in try await engine.events(of: id, after: 0) {
            try await body(event)
            guard event.name.isTerminal else { continue }
            hasEnded.store(true, ordering: .relaxed)
            guard event.name == .done else { throw APIError.ended(event.job) }
            return event.job
        }
        try Task.checkCancellation()
        throw APIError(ServingError.draining)
    }
}
