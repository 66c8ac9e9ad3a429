import Logging

/// What happens on one connection: requests are read, routed, handled and answered, one after the other.
///
/// A refusal that leaves it unclear where the next request begins, or that leaves a body unread, ends the conversation;
/// so no byte of a body is ever read as a request.
struct Conversation: Sendable {
    private let connection: Connection
    private let configuration: HTTPServer.Configuration
    private let load: ServerLoad
    private var parser: HTTPParser
    private var limits: HTTPLimits { configuration.limits }

    init(connection: Connection, configuration: HTTPServer.Configuration, load: ServerLoad) {
        self.connection = connection
        self.configuration = configuration
        self.load = load
        parser = HTTPParser(limits: configuration.limits)
    }

    /// Answers requests until the client or the server ends the conversation. The caller closes the connection.
    mutating func run() async {
        do throws(Connection.End) {
            while try await exchange() {}
        } catch {
            return
        }
        await connection.linger(limit: load.isDraining ? limits.linger / 8 : limits.linger)
    }

    /// Says why the server takes no more connections, and ends.
    static func refuse(_ connection: Connection, _ reason: String, configuration: HTTPServer.Configuration) async {
        var conversation = Conversation(connection: connection, configuration: configuration, load: ServerLoad())
        do throws(Connection.End) {
            _ = try await conversation.refuse(HTTPError.overloaded(reason), head: nil, request: nil, since: .now)
        } catch {
            return
        }
        await connection.linger(limit: configuration.limits.linger)
    }

    /// One request and its answer. False when the connection is to be closed after it.
    private mutating func exchange() async throws(Connection.End) -> Bool {
        var started = ContinuousClock.now
        let head: HTTPHead
        do throws(HTTPError) {
            guard let next = try await nextHead() else { throw HTTPError.clientGone }
            head = next
        } catch {
            if error == .clientGone { throw .gone }
            return try await refuse(error, head: nil, request: nil, since: started)
        }
        started = .now

        var request = HTTPRequest(
            method: head.method, target: head.target, headers: head.headers, id: HTTPRequest.id(for: head.headers),
            remote: connection.remote)
        let handler: HTTPHandler
        let readsBody: Bool
        do {
            let (found, bodyLimit) = try route(&request)
            handler = found
            if request.route != nil { try configuration.admit?(request) }
            readsBody = bodyLimit != nil || head.framing == .none
            if readsBody { try parser.admitBody(upTo: bodyLimit ?? 0) }
        } catch {
            return try await refuse(error, head: head, request: request, since: started)
        }

        var reserved = 0
        defer { load.release(reserved) }
        do throws(HTTPError) {
            if readsBody { request.body = try await readBody(of: head, reserved: &reserved) }
        } catch {
            if error == .clientGone { throw .gone }
            return try await refuse(error, head: head, request: request, since: started, isBodyUnread: true)
        }

        let response = await handle(request, with: handler)
        guard let response else {
            log(request, status: HTTPError.clientGone.status, bytes: 0, since: started, isComplete: false)
            throw .gone
        }
        return try await send(response, head: head, request: request, since: started, mayKeepAlive: readsBody)
    }

    // MARK: Reading

    /// The head of the next request; nil when the client has no more, or is to have no more.
    private mutating func nextHead() async throws(HTTPError) -> HTTPHead? {
        connection.begin(.idle, limit: limits.idle)
        defer { connection.endWait() }
        var isInsideHead = false
        while true {
            if case .head(let head)? = try parser.next() { return head }
            if parser.isInsideHead, !isInsideHead {
                isInsideHead = true
                connection.begin(.header, limit: limits.headerDeadline)
            }
            if !isInsideHead, load.isDraining { return nil }
            guard try await receive() else {
                if isInsideHead { throw .badRequest("the connection ended inside the header") }
                return nil
            }
        }
    }

    /// Reads the admitted body. `reserved` is what the body holds of the memory for all bodies.
    private mutating func readBody(of head: HTTPHead, reserved: inout Int) async throws(HTTPError) -> [UInt8] {
        if head.expectsContinue, head.framing != .none, !parser.hasUnreadBytes {
            do {
                try await connection.send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), stall: limits.writeStall)
            } catch {
                throw .clientGone
            }
        }
        var body: [UInt8] = []
        var lastPiece = 0
        let start = ContinuousClock.now
        connection.begin(.body, limit: limits.bodyWait(since: start, received: 0, now: start))
        defer { connection.endWait() }
        while true {
            switch try parser.next() {
            case .body(let bytes):
                guard load.reserve(bytes.count, limit: limits.bufferedBodyBytes) else {
                    throw .overloaded("too many request bodies are being received")
                }
                reserved += bytes.count
                body.append(contentsOf: bytes)
            case .end: return body
            case .head, nil:
                guard try await receive() else { throw .badRequest("the connection ended inside the body") }
                let isPiece = body.count - lastPiece >= limits.evictionBytes
                if isPiece { lastPiece = body.count }
                connection.begin(
                    .body, limit: limits.bodyWait(since: start, received: body.count, now: .now),
                    hasProgressed: isPiece)
            }
        }
    }

    /// False at the end of what the client sends.
    private mutating func receive() async throws(HTTPError) -> Bool {
        var bytes: [UInt8] = []
        do throws(Connection.End) {
            guard try await connection.receive({ bytes = Array($0) }) else { return false }
        } catch {
            switch error {
            case .expired(.header), .expired(.body): throw .requestTimeout
            case .gone, .expired: throw .clientGone
            }
        }
        parser.append(bytes)
        return true
    }

    // MARK: Handling

    /// Finds the handler, and how much of a body the handler takes; nil where the handler reads no body.
    private func route(_ request: inout HTTPRequest) throws(HTTPError) -> (HTTPHandler, bodyLimit: Int?) {
        let segments = request.target.segments
        switch configuration.router.match(method: request.method, segments: segments) {
        case .route(let route, let parameters):
            request.route = route.template
            request.parameters = parameters
            return (route.handler, route.readsBody ? route.bodyLimit ?? limits.bodyBytes : nil)
        case .notFound, .methodNotAllowed:
            let router = configuration.router
            let allow = request.target.rawPath == "*" ? router.allMethods : router.methods(at: segments)
            guard !allow.isEmpty else {
                throw .notFound(path: request.target.rawPath, near: router.neighbour(of: segments))
            }
            guard request.method == "OPTIONS" else { throw notAllowed(request, segments) }
            let cors = configuration.cors
            return (
                { request in
                    var response = HTTPResponse(status: 204, headers: ["Allow": allow.joined(separator: ", ")])
                    cors?.applyPreflight(
                        to: &response, origin: request.headers["Origin"], methods: allow,
                        asked: request.headers.list("Access-Control-Request-Headers"))
                    return response
                }, limits.bodyBytes
            )
        }
    }

    private func notAllowed(_ request: HTTPRequest, _ segments: [String]) -> HTTPError {
        guard case .methodNotAllowed(let allow) = configuration.router.match(method: request.method, segments: segments)
        else {
            return .notFound(
                path: request.target.rawPath, near: configuration.router.neighbour(of: segments))
        }
        return .methodNotAllowed(method: request.method, allow: allow)
    }

    /// The handler's answer, or that to its error; nil when the client left and the handler gave up.
    private mutating func handle(_ request: HTTPRequest, with handler: @escaping HTTPHandler) async -> HTTPResponse? {
        let (result, left) = await whileWatching { () async -> Result<HTTPResponse, any Error> in
            do {
                return .success(try await handler(request))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let response): return response
        case .failure(is CancellationError) where left || Task.isCancelled: return nil
        case .failure(let error):
            // With the client gone its handler's errors are of its being cancelled, most likely.
            return left ? nil : answer(to: error, request: request)
        case nil: return nil
        }
    }

    /// Runs `work` and cancels it when the client leaves.
    private mutating func whileWatching<T: Sendable>(
        _ work: @escaping @Sendable () async -> T
    ) async -> (result: T?, left: Bool) {
        let connection = connection
        let grace = limits.halfCloseGrace
        let (result, early, left) = await withTaskGroup(of: Finish<T>.self) { group in
            group.addTask { .work(await work()) }
            group.addTask {
                let (early, left) = await connection.watch(grace: grace, capacity: 64 << 10)
                return .watch(early: early, left: left)
            }
            var result: T?
            var early: [UInt8] = []
            var left = false
            for await finish in group {
                switch finish {
                case .work(let value): result = value
                case .watch(let bytes, let hasLeft): (early, left) = (bytes, hasLeft)
                }
                group.cancelAll()
            }
            return (result, early, left)
        }
        parser.append(early)
        return (result, left)
    }

    // MARK: Answering

    private func answer(to error: any Error, request: HTTPRequest?) -> HTTPResponse {
        var response = configuration.errorResponse(error, request)
        if let error = error as? HTTPError { response.headers.merge(error.headers) }
        return response
    }

    /// Answers a request that no handler is to see. The connection stays open only if no body is left unread.
    private mutating func refuse(
        _ error: any Error, head: HTTPHead?, request: HTTPRequest?, since started: ContinuousClock.Instant,
        isBodyUnread: Bool = false
    ) async throws(Connection.End) -> Bool {
        var mayKeepAlive = false
        if !isBodyUnread, head?.framing == HTTPHead.Framing.none, (try? parser.admitBody(upTo: 0)) != nil {
            mayKeepAlive = (try? parser.next()) == .end
        }
        let response = answer(to: error, request: request)
        return try await send(
            response, head: head, request: request, since: started, mayKeepAlive: mayKeepAlive)
    }

    private mutating func send(
        _ response: HTTPResponse, head: HTTPHead?, request: HTTPRequest?, since started: ContinuousClock.Instant,
        mayKeepAlive: Bool
    ) async throws(Connection.End) -> Bool {
        var response = response
        let id = request?.id ?? HTTPRequest.id(for: nil)
        response.headers["X-Request-Id"] = id
        configuration.cors?.apply(to: &response, origin: request?.headers["Origin"])
        let answer = ResponseHead(response, to: head, keepAlive: mayKeepAlive && !load.isDraining)
        var bytes = 0
        var isComplete = false
        defer {
            log(request, id: id, status: response.status, bytes: bytes, since: started, isComplete: isComplete)
        }

        let hasBody = answer.framing != .none && answer.framing != .length(0)
        try await connection.send(answer.bytes, more: hasBody, stall: limits.writeStall)
        guard hasBody else {
            isComplete = true
            return answer.keepAlive
        }
        switch response.body {
        case .bytes(let body):
            try await connection.send(body, stall: limits.writeStall)
            bytes = body.count
        case .file(let file, let range):
            try await send(file, range, sent: &bytes)
        case .stream(let producer):
            let writer = HTTPBodyWriter(
                connection: connection, isChunked: answer.framing == .chunked, stall: limits.writeStall)
            defer { bytes = writer.bytesSent }
            try await stream(producer, into: writer, request: request)
        }
        isComplete = true
        return answer.keepAlive
    }

    private func send(_ file: HTTPFile, _ range: Range<Int>, sent: inout Int) async throws(Connection.End) {
        while sent < range.count {
            let wanted = min(128 << 10, range.count - sent)
            // A file that shrank cannot give what the head promised: cut the connection, so that the client knows.
            guard let piece = file.read(at: range.lowerBound + sent, count: wanted), !piece.isEmpty else {
                throw .gone
            }
            try await connection.send(piece, stall: limits.writeStall)
            sent += piece.count
            await Task.yield()  // a fast reader must not keep this thread from the others
        }
    }

    private mutating func stream(
        _ producer: @escaping @Sendable (HTTPBodyWriter) async throws -> Void, into writer: HTTPBodyWriter,
        request: HTTPRequest?
    ) async throws(Connection.End) {
        let (failure, left) = await whileWatching { () async -> (any Error)? in
            do {
                try await producer(writer)
                try await writer.finish()
                return nil
            } catch {
                return error
            }
        }
        guard let failure, let error = failure else { return }
        if !left, (error as? HTTPError) != .clientGone, !(error is CancellationError) {
            configuration.logger.error(
                "a streamed answer failed", metadata: ["id": "\(request?.id ?? "")", "error": "\(error)"])
        }
        throw .gone
    }

    private func log(
        _ request: HTTPRequest?, id: String? = nil, status: Int, bytes: Int, since started: ContinuousClock.Instant,
        isComplete: Bool
    ) {
        configuration.onExchange?(
            HTTPExchange(
                method: request?.method, route: request?.route, path: request?.target.rawPath, status: status,
                bytes: bytes, duration: .now - started, requestID: id ?? request?.id ?? "", remote: connection.remote,
                isComplete: isComplete))
    }
}

/// Which of the two tasks of an exchange has ended.
private enum Finish<T: Sendable>: Sendable {
    case work(T)
    case watch(early: [UInt8], left: Bool)
}
