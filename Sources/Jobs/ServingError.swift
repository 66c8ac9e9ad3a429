import Foundation

/// Why the engine did not do what it was asked.
package enum ServingError: Error, Equatable, CustomStringConvertible {
    /// A field of a request that the model cannot serve. `field` is its name in the HTTP API.
    case invalid(field: String, reason: String)
    case unknownModel(String, known: [String])
    case unknownJob(String)
    case unknownArtifact(String)
    /// Only a job that has failed or was cancelled runs again.
    case notRetriable(String, state: Job.State)
    /// There was such an artifact; retention removed it.
    case expiredArtifact(String)
    /// The queue holds all it may; `retryAfter` seconds from now a place should be free.
    case queueFull(capacity: Int, retryAfter: Int)
    /// The owner's jobs fill its share of the queue.
    case shareFull(waiting: Int, retryAfter: Int)
    /// The server is going down and takes no new jobs.
    case draining
    /// The key was used before, with another request.
    case idempotencyConflict(key: String)
    /// The state folder cannot be read or written; `reason` is the system's or SQLite's.
    case storage(operation: String, reason: String)
    /// The state folder is not one to work on as it is; `reason` says how to go on.
    case refusedState(folder: String, reason: String)
    /// Another process works on the state folder.
    case stateInUse(folder: String)

    package var description: String {
        switch self {
        // Some sentences begin with the field.
        case .invalid(let field, let reason): reason.hasPrefix("\(field) is ") ? reason : "\(field): \(reason)"
        case .unknownModel(let model, let known):
            "there is no model '\(model)'; there is \(known.map { "'\($0)'" }.joined(separator: ", "))"
        case .unknownJob(let id): "there is no job '\(id)'"
        case .notRetriable(let id, .cancelled): "the job '\(id)' is just being stopped; try again when it has stopped"
        case .notRetriable(let id, let state):
            "the job '\(id)' is \(state.rawValue); only a job that has failed or was cancelled runs again"
        case .unknownArtifact(let id): "there is no artifact '\(id)'"
        case .expiredArtifact(let id): "the artifact '\(id)' has expired and was removed"
        case .queueFull(let capacity, let retryAfter):
            "the queue is full with \(capacity) jobs; try again in \(retryAfter) s"
        case .shareFull(let waiting, let retryAfter):
            "\(waiting) of your jobs wait already, which is your share of the queue; try again in \(retryAfter) s"
        case .draining: "the server is shutting down and takes no new jobs"
        case .idempotencyConflict(let key): "the Idempotency-Key '\(key)' was used before with another request"
        case .storage(let operation, let reason): "\(operation): \(reason)"
        case .refusedState(let folder, let reason): "the state folder \(folder): \(reason)"
        case .stateInUse(let folder): "the state folder \(folder) is in use by another process"
        }
    }
}

extension ServingError {
    /// Whether it may go away by itself when somebody makes room on the disk of a state folder.
    package func isForWantOfRoom(in folder: String) -> Bool {
        guard case .storage(_, let reason) = self else { return false }
        let texts = [ENOSPC, EDQUOT].map { String(cString: strerror($0)) } + ["(SQLite 13)"]
        return texts.contains { reason.contains($0) } || StateFolder.isFull(folder)
    }
}
