import HTTP
import Jobs
import Support
import Synchronization

/// The Model Context Protocol over streamable HTTP (modelcontextprotocol.io, revision 2025-11-25): assistants generate
/// by calling tools. One endpoint takes JSON-RPC 2.0; a call whose client asks for its progress is answered by a stream of
/// events that tell of it.
///
/// Nothing is kept of a client but the calls that run. A session's id names those, so that a cancellation finds its call.
struct MCPServer: Sendable {
    let tools: MCPTools
    let patience: Patience
    let heartbeat: Duration
    private let calls = RunningCalls()

    /// Bytes of pictures that an event may hold; clients bound their events, many at a megabyte. What is more is linked.
    private static let longestInline = 600_000

    /// Newest first. A client of another revision is answered with the newest.
    private static let revisions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]

    init(tools: MCPTools, patience: Patience, heartbeat: Duration) {
        self.tools = tools
        self.patience = patience
        self.heartbeat = heartbeat
    }

    func register(in router: inout Router) {
        router.add("POST", "/mcp", receive)
        // There is no stream from the server to a client that asked nothing: GET is answered with 405.
        router.add("DELETE", "/mcp") { request in
            calls.cancelAll(of: Self.session(request))
            return HTTPResponse(status: 204)
        }
    }

    // MARK: Messages

    @Sendable private func receive(_ request: HTTPRequest) async throws -> HTTPResponse {
        try Fields.requireJSON(request)
        let message: JSON
        do {
            message = try JSON(parsing: request.body)
        } catch {
            return .json(Self.failure(.null, code: -32700, "not JSON: \(error)"), status: 400)
        }
        guard message["jsonrpc"]?.string == "2.0", message.members != nil else {
            return .json(
                Self.failure(.null, code: -32600, "a message is one object of JSON-RPC 2.0"), status: 400)
        }
        guard let method = message["method"]?.string else {
            // An answer to a question of ours; none is asked.
            return HTTPResponse(status: 202)
        }
        guard let id = message["id"], id != .null else {
            if method == "notifications/cancelled", let call = message["params"]?["requestId"] {
                calls.cancel(call, of: Self.session(request))
            }
            return HTTPResponse(status: 202)
        }
        return try await answer(to: method, message["params"] ?? [:], id: id, request)
    }

    private func answer(
        to method: String, _ parameters: JSON, id: JSON, _ request: HTTPRequest
    ) async throws -> HTTPResponse {
        switch method {
        case "initialize":
            var response = HTTPResponse.json(Self.success(id, Self.initialized(parameters)))
            response.headers["Mcp-Session-Id"] = Hexadecimal.text(UInt64.random(in: .min ... .max))
            return response
        case "ping": return .json(Self.success(id, [:]))
        case "tools/list": return .json(Self.success(id, ["tools": .array(tools.descriptions)]))
        case "tools/call": return try await call(parameters, id: id, request)
        default: return .json(Self.failure(id, code: -32601, "there is no method '\(method.prefix(60))'"))
        }
    }

    private static func initialized(_ parameters: JSON) -> JSON {
        let wanted = parameters["protocolVersion"]?.string ?? ""
        return [
            "protocolVersion": .string(revisions.contains(wanted) ? wanted : revisions[0]),
            "capabilities": ["tools": ["listChanged": false]],
            "serverInfo": ["name": "phasor", "title": "Phasor", "version": .string(Release.version)],
            "instructions": """
            Generates pictures and clips from text. list_models tells sizes and generators; sizes that a model does \
            not make are refused with one that it makes.
            """,
        ]
    }

    // MARK: Calls

    private func call(_ parameters: JSON, id: JSON, _ request: HTTPRequest) async throws -> HTTPResponse {
        guard let name = parameters["name"]?.string, let tool = MCPTools.Name(rawValue: name) else {
            let given = parameters["name"]?.string.map { "'\($0.prefix(60))'" } ?? "no name"
            return .json(Self.failure(id, code: -32602, "there is no tool of that name: \(given)"))
        }
        let arguments = parameters["arguments"] ?? [:]
        guard let members = arguments.members else {
            return .json(Self.failure(id, code: -32602, "arguments are no object"))
        }
        let running = RunningCall()
        let session = Self.session(request)
        calls.insert(running, id: id, session: session)
        let takesEvents = request.headers.list("Accept").contains { $0.hasPrefix("text/event-stream") }
        let token = takesEvents ? parameters["_meta"]?["progressToken"] : nil
        let inline = token == nil ? Int.max : Self.longestInline
        let work: @Sendable (@escaping @Sendable (JobEvent) async throws -> Void) async throws -> JSON = { onEvent in
            defer { calls.remove(running, session: session) }
            return Self.success(
                id, try await tools.call(tool, Fields(members: members), request, running, inline: inline, onEvent))
        }
        guard let token else { return try await patience.answer { try await work { _ in } } }
        return .events { writer in
            try await writer.withHeartbeats(every: heartbeat) {
                let answer = try await work { event in
                    guard event.name == .step || event.name == .queued else { return }
                    try await writer.write(Self.message(Self.progress(token, event.job)))
                }
                try await writer.write(Self.message(answer))
            }
        }
    }

    private static func progress(_ token: JSON, _ job: Job) -> JSON {
        let left = job.secondsLeft.map { ", about \(Int($0.rounded(.up))) s left" } ?? ""
        let place = job.queuePosition.map { "waiting, \($0) before it" } ?? "step \(job.step) of \(job.steps)"
        return [
            "jsonrpc": "2.0", "method": "notifications/progress",
            "params": [
                "progressToken": token, "progress": JSON(job.progress), "total": 1, "message": .string(place + left),
            ],
        ]
    }

    private static func message(_ value: JSON) -> ServerSentEvent {
        ServerSentEvent(event: "message", data: value.text)
    }

    private static func success(_ id: JSON, _ result: JSON) -> JSON {
        ["jsonrpc": "2.0", "id": id, "result": result]
    }

    private static func failure(_ id: JSON, code: Int, _ message: String) -> JSON {
        ["jsonrpc": "2.0", "id": id, "error": ["code": JSON(code), "message": .string(message)]]
    }

    private static func session(_ request: HTTPRequest) -> String { request.headers["Mcp-Session-Id"] ?? "" }
}

/// A call, whose job can be cancelled by another request.
final class RunningCall: Sendable {
    private let state = Mutex<(cancel: (@Sendable () -> Void)?, isCancelled: Bool)>((nil, false))

    /// Says how to cancel it; at once if it has been cancelled already.
    func onCancel(_ cancel: @escaping @Sendable () -> Void) {
        let isCancelled = state.withLock { state in
            state.cancel = cancel
            return state.isCancelled
        }
        if isCancelled { cancel() }
    }

    func cancel() {
        let cancel = state.withLock { state in
            state.isCancelled = true
            return state.cancel
        }
        cancel?()
    }
}

/// The calls that run, by session and the id that the client gave them.
private final class RunningCalls: Sendable {
    private struct Entry {
        let id: JSON
        let session: String
        let call: RunningCall
    }

    private let entries = Mutex<[Entry]>([])

    /// A client without a session cannot cancel: the ids of others are the same as its own.
    func insert(_ call: RunningCall, id: JSON, session: String) {
        guard !session.isEmpty else { return }
        entries.withLock { $0.append(Entry(id: id, session: session, call: call)) }
    }

    func remove(_ call: RunningCall, session: String) {
        entries.withLock { $0.removeAll { $0.call === call } }
    }

    func cancel(_ id: JSON, of session: String) {
        let found = entries.withLock { $0.filter { $0.session == session && $0.id == id } }
        for entry in found { entry.call.cancel() }
    }

    func cancelAll(of session: String) {
        let found = entries.withLock { $0.filter { $0.session == session } }
        for entry in found { entry.call.cancel() }
    }
}
