/// What the transport refuses, and why. Each case knows the status and the header fields its answer must carry; the
/// body is made by `HTTPServer.Configuration.errorResponse`, so that every error has the shape of the interface above.
package enum HTTPError: Error, Equatable, Sendable, CustomStringConvertible {
    case badRequest(String)
    /// `near` is a path that there is, and may be meant.
    case notFound(path: String, near: String? = nil)
    /// The file is there, or may be, but the server cannot read it; `reason` is the system's.
    case unreadable(path: String, reason: String)
    case methodNotAllowed(method: String, allow: [String])
    case requestTimeout
    case bodyTooLarge(limit: Int)
    case requestLineTooLong(limit: Int)
    case rangeNotSatisfiable(size: Int)
    case expectationFailed(String)
    case headerTooLarge(String)
    case unsupportedTransferCoding(String)
    case overloaded(String)
    case unsupportedVersion(String)
    /// The client closed or reset its connection before it had the whole answer.
    case clientGone
    case cannotListen(host: String, port: UInt16, reason: String)

    package var status: Int {
        switch self {
        case .badRequest: 400
        case .notFound: 404
        case .methodNotAllowed: 405
        case .requestTimeout: 408
        case .bodyTooLarge: 413
        case .requestLineTooLong: 414
        case .rangeNotSatisfiable: 416
        case .expectationFailed: 417
        case .headerTooLarge: 431
        case .clientGone: 499  // never sent; nginx's number for it in logs
        case .cannotListen, .unreadable: 500
        case .unsupportedTransferCoding: 501
        case .overloaded: 503
        case .unsupportedVersion: 505
        }
    }

    /// Fields without which the status is incomplete (RFC 9110): `Allow`, `Content-Range`, `Retry-After`.
    package var headers: HTTPHeaders {
        switch self {
        case .methodNotAllowed(_, let allow): ["Allow": allow.joined(separator: ", ")]
        case .rangeNotSatisfiable(let size): ["Content-Range": "bytes */\(size)"]
        case .overloaded: ["Retry-After": "1"]
        default: [:]
        }
    }

    package var description: String {
        switch self {
        case .badRequest(let reason): "malformed request: \(reason)"
        case .notFound(let path, let near):
            "nothing is found at \(path)" + (near.map { "; there is \($0)" } ?? "")
        case .unreadable(let path, let reason): "what is at \(path) cannot be read: \(reason)"
        case .methodNotAllowed(let method, let allow):
            "\(method) is not allowed here, only \(allow.joined(separator: ", "))"
        case .requestTimeout: "the request did not arrive in time"
        case .bodyTooLarge(let limit): "the request body is larger than the \(limit) bytes allowed here"
        case .requestLineTooLong(let limit): "the request line is longer than \(limit) bytes"
        case .rangeNotSatisfiable(let size): "the range starts past the end of \(size) bytes"
        case .expectationFailed(let value): "cannot meet the expectation \"\(value)\", only 100-continue"
        case .headerTooLarge(let reason): "the request header is too large: \(reason)"
        case .unsupportedTransferCoding(let value): "transfer coding \"\(value)\" is not supported, only chunked"
        case .overloaded(let reason): "the server is busy: \(reason)"
        case .unsupportedVersion(let version): "\(version) is not supported, only HTTP/1.1 and HTTP/1.0"
        case .clientGone: "the client closed the connection"
        case .cannotListen(let host, let port, let reason): "cannot listen on \(host) port \(port): \(reason)"
        }
    }
}
