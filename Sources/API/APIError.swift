import Diffusion
import HTTP
import Jobs
import Support

/// An answer that refuses, in the form of OpenAI's API. Each of the four keys of its body is always there.
struct APIError: Error, Equatable, CustomStringConvertible {
    var status: Int
    var message: String
    var type = "invalid_request_error"
    /// The field that is wrong.
    var param: String?
    /// Names the case for programs; stays the same when the message changes.
    var code: String?
    var headers: HTTPHeaders = [:]
    /// Clients of the A1111 web UI read `detail`; it stands beside the error then.
    var hasDetail = false

    var description: String { message }

    var response: HTTPResponse {
        var headers = headers
        headers["Content-Type"] = "application/json"
        return HTTPResponse(status: status, headers: headers, body: .bytes(body.bytes))
    }

    var body: JSON {
        let error: JSON = [
            "message": .string(message), "type": .string(type), "param": JSON(param), "code": JSON(code),
        ]
        return hasDetail ? ["error": error, "detail": .string(message)] : ["error": error]
    }

    // MARK: Cases

    /// A field that cannot be served as it is.
    static func invalid(_ param: String?, _ message: String, code: String = "invalid_value") -> APIError {
        APIError(status: 400, message: message, param: param, code: code)
    }

    static func missing(_ param: String) -> APIError {
        invalid(param, "\(param) is required", code: "missing_required_parameter")
    }

    static func unknown(_ what: String, _ id: String) -> APIError {
        APIError(status: 404, message: "there is no \(what) '\(id)'", code: "\(what)_not_found")
    }

    static let wrongKey = APIError(
        status: 401, message: "send one of the server's API keys as 'Authorization: Bearer KEY' or 'x-api-key: KEY'",
        code: "invalid_api_key", headers: ["WWW-Authenticate": "Bearer"])

    /// Doing the same again would end the same way, so clients that try again by themselves are told not to.
    static func ended(_ job: Job) -> APIError {
        if job.state == .cancelled {
            return APIError(
                status: 409, message: "the job \(job.id) was cancelled", code: "cancelled",
                headers: ["X-Should-Retry": "false"])
        }
        return APIError(
            status: 500, message: job.failure?.message ?? "the job \(job.id) failed", type: "server_error",
            code: job.failure?.code, headers: ["X-Should-Retry": "false"])
    }

    static func unavailable(_ message: String, code: String, retryAfter: Int = 1) -> APIError {
        APIError(
            status: 503, message: message, type: "server_error", code: code,
            headers: ["Retry-After": String(retryAfter)])
    }
}

extension APIError {
    /// Translates whatever a handler or the transport threw.
    init(_ error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as ServingError: self.init(error)
        case let error as HTTPError: self.init(error)
        default:
            // What it says may be of no use to the client, or not meant for it. The log has it.
            self.init(status: 500, message: "internal error", type: "server_error", code: "internal_error")
        }
    }

    private init(_ error: ServingError) {
        let message = error.description
        switch error {
        case .invalid(let field, _): self = .invalid(field, message)
        case .unknownModel:
            self.init(status: 404, message: message, param: "model", code: "model_not_found")
        case .unknownJob: self.init(status: 404, message: message, code: "job_not_found")
        case .notRetriable:
            self.init(
                status: 409, message: message, code: "not_retriable", headers: ["X-Should-Retry": "false"])
        case .unknownArtifact: self.init(status: 404, message: message, code: "artifact_not_found")
        case .expiredArtifact: self.init(status: 410, message: message, code: "artifact_expired")
        case .queueFull(_, let seconds), .shareFull(_, let seconds):
            self.init(
                status: 429, message: message, type: "rate_limit_error", code: "queue_full",
                headers: ["Retry-After": String(seconds)])
        case .draining: self = .unavailable(message, code: "shutting_down", retryAfter: 5)
        case .idempotencyConflict:
            self.init(
                status: 409, message: message, param: "Idempotency-Key", code: "idempotency_conflict",
                headers: ["X-Should-Retry": "false"])
        case .storage(_, let reason), .refusedState(_, let reason), .stateInUse(let reason):
            // The operation names a path of the server; the log has it. Once there is room again it goes on by itself.
            self = .unavailable(
                "the server cannot keep or read its jobs: \(reason)", code: "storage_error", retryAfter: 5)
        }
    }

    private init(_ error: HTTPError) {
        self.init(status: error.status, message: error.description)
        switch error {
        case .badRequest: code = "malformed_request"
        case .notFound: code = "not_found"
        case .unreadable: (type, code) = ("server_error", "file_unreadable")
        case .methodNotAllowed: code = "method_not_allowed"
        case .requestTimeout: code = "request_timeout"
        case .bodyTooLarge: code = "body_too_large"
        case .requestLineTooLong: code = "request_line_too_long"
        case .rangeNotSatisfiable: (param, code) = ("Range", "range_not_satisfiable")
        case .expectationFailed: (param, code) = ("Expect", "expectation_failed")
        case .headerTooLarge: code = "header_too_large"
        case .unsupportedTransferCoding: (param, code) = ("Transfer-Encoding", "unsupported_transfer_coding")
        case .unsupportedVersion: code = "unsupported_version"
        case .overloaded: (type, code) = ("server_error", "overloaded")
        case .clientGone, .cannotListen: (type, code) = ("server_error", "internal_error")
        }
    }
}
