import HTTP
import Jobs
import Serving

/// The one who sends a request, and which jobs that client may see and change.
///
/// With keys a client sees and changes the jobs of its key, and an operator's key sees and changes those of all.
/// Without keys everybody sees everything, and changes what came from the own address.
struct Caller: Sendable, Equatable {
    private enum Role { case key, operatorsKey, address }

    /// Stands for the sender in jobs.
    let owner: String
    private let role: Role

    init(key name: String, isOperator: Bool) {
        owner = name
        role = isOperator ? .operatorsKey : .key
    }

    init(address: String) {
        // No key's name has an @.
        owner = "@\(address)"
        role = .address
    }

    /// Whose jobs a list shows; nil for everybody's.
    var listedOwner: String? { role == .key ? owner : nil }

    func maySee(_ job: Job) -> Bool { role != .key || job.owner == owner }

    /// A job of nobody is from a time without owners.
    func mayChange(_ job: Job) -> Bool {
        switch role {
        case .key: job.owner == owner
        case .operatorsKey: true
        case .address: job.owner == owner || job.owner == nil
        }
    }
}

/// The jobs of an engine, as far as the sender of a request may have them.
struct OwnedJobs: Sendable {
    let engine: Engine
    let keys: APIKeys

    /// A job to be looked at.
    /// - Throws: `ServingError.unknownJob` also for another key's, whose existence it would tell.
    func visible(_ id: String, to request: HTTPRequest) async throws -> Job {
        let job = try await engine.job(id)
        guard keys.caller(of: request).maySee(job) else { throw ServingError.unknownJob(id) }
        return job
    }

    /// A job to be cancelled or deleted.
    /// - Throws: as `visible`; `APIError` 403 for one that the client may only see.
    func changeable(_ id: String, by request: HTTPRequest) async throws -> Job {
        let job = try await visible(id, to: request)
        guard keys.caller(of: request).mayChange(job) else {
            throw APIError(
                status: 403, message: "the job \(id) is of another address; only who sent it may end or delete it",
                code: "not_the_owner")
        }
        return job
    }
}
