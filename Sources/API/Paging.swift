import HTTP
import Jobs
import Serving

/// `limit`, `order` and `after` of a list.
struct Paging: Sendable {
    static let names = ["limit", "order", "after"]

    let limit: Int
    let isOldestFirst: Bool
    let after: String?

    /// - Throws: `APIError`.
    init(_ request: HTTPRequest) throws {
        let text = request.query("limit")
        guard let limit = text == nil ? 20 : Int(text ?? ""), (1...100).contains(limit) else {
            throw APIError.invalid("limit", "limit is '\(text?.prefix(40) ?? "")'; it must be an integer from 1 to 100")
        }
        let order = request.query("order") ?? "desc"
        guard ["asc", "desc"].contains(order) else {
            throw APIError.invalid("order", "order is '\(order.prefix(40))'; it must be 'asc' or 'desc'")
        }
        self.limit = limit
        isOldestFirst = order == "asc"
        after = request.query("after")
    }

    /// - Throws: `APIError` for an `after` that is not known; else as `Engine.jobs`.
    func page(of kind: GenerationRequest.Kind?, for caller: Caller, from engine: Engine) async throws -> JobPage {
        do {
            return try await engine.jobs(
                kind: kind, owner: caller.listedOwner, limit: limit, after: after, oldestFirst: isOldestFirst)
        } catch ServingError.unknownJob(let id) {
            throw APIError.invalid("after", "after is '\(id.prefix(60))', which is not known")
        }
    }
}

extension Idempotency {
    /// Reads the header Idempotency-Key; nil without one.
    /// - Throws: `APIError` for a key of no use.
    init?(_ request: HTTPRequest) throws {
        guard let key = request.headers["Idempotency-Key"] else { return nil }
        guard (1...255).contains(key.utf8.count) else {
            throw APIError.invalid(
                "Idempotency-Key", "Idempotency-Key has \(key.utf8.count) bytes; it must have 1 to 255")
        }
        self.init(key: key, body: request.body)
    }
}
