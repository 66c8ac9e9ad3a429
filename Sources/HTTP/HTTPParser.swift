/// The request side of HTTP/1.1 (RFC 9112) as a value: bytes go in with `append`, events come out of `next`.
///
/// It does no I/O and knows no time. Each byte is looked at a bounded number of times, however the input is cut into
/// pieces, and the events do not depend on the cutting (but for where body bytes are split). After an error the parser
/// stays failed: where a request ends is then unknown, and nothing that follows may be read as one.
package struct HTTPParser: Sendable {
    package enum Event: Sendable, Equatable {
        /// A request begins. `admitBody` must be called before its body can be read.
        case head(HTTPHead)
        case body([UInt8])
        case end
    }

    private enum State: Sendable {
        case requestLine(emptyLines: Int)
        case fields(RequestLine)
        case awaitingAdmission(HTTPHead.Framing)
        case fixedBody(remaining: Int)
        case chunkSize
        case chunkData(remaining: Int)
        case chunkEnd
        case trailers
        case failed(HTTPError)
    }

    private let limits: HTTPLimits
    private var state = State.requestLine(emptyLines: 0)
    private var buffer: [UInt8] = []
    /// Bytes of `buffer` already consumed, and already searched for a line end.
    private var start = 0, searched = 0
    private var headers = HTTPHeaders()
    private var headerBytes = 0, fieldCount = 0
    private var bodyLimit = 0, bodyBytes = 0

    package init(limits: HTTPLimits) {
        self.limits = limits
    }

    /// Whether bytes wait that no event has taken yet.
    package var hasUnreadBytes: Bool { start < buffer.count }

    /// Whether a request has begun and its head is not complete.
    package var isInsideHead: Bool {
        switch state {
        case .requestLine(let emptyLines): emptyLines > 0 || hasUnreadBytes
        case .fields: true
        default: false
        }
    }

    package mutating func append(_ bytes: some Collection<UInt8>) {
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= 16 << 10)
            (start, searched) = (0, 0)
        } else if start > buffer.count / 2 {
            // At most as many bytes move as were consumed since the last move: linear over all.
            buffer.removeSubrange(..<start)
            (start, searched) = (0, searched - start)
        }
        buffer.append(contentsOf: bytes)
    }

    /// Lets the body of the request whose head was last returned in, or throws `bodyTooLarge` before any of it is read.
    package mutating func admitBody(upTo limit: Int) throws(HTTPError) {
        guard case .awaitingAdmission(let framing) = state else { return }
        (bodyLimit, bodyBytes) = (limit, 0)
        switch framing {
        case .none: state = .fixedBody(remaining: 0)
        case .length(let length):
            guard length <= limit else { throw fail(.bodyTooLarge(limit: limit)) }
            state = .fixedBody(remaining: length)
        case .chunked: state = .chunkSize
        }
    }

    /// The next event, or nil when more bytes (or an admission) are needed.
    package mutating func next() throws(HTTPError) -> Event? {
        do throws(HTTPError) {
            return try advance()
        } catch {
            throw fail(error)
        }
    }

    private mutating func fail(_ error: HTTPError) -> HTTPError {
        state = .failed(error)
        buffer = []
        (start, searched) = (0, 0)
        return error
    }

    private mutating func advance() throws(HTTPError) -> Event? {
        while true {
            switch state {
            case .failed(let error):
                throw error
            case .awaitingAdmission:
                return nil
            case .requestLine(let emptyLines):
                let tooLong = HTTPError.requestLineTooLong(limit: limits.requestLineBytes)
                guard let line = try takeLine(limits.requestLineBytes, else: tooLong) else { return nil }
                if line.isEmpty {
                    // RFC 9112 2.2: an empty line before a request is to be forgiven.
                    guard emptyLines < 2 else { throw .badRequest("empty lines where a request should be") }
                    state = .requestLine(emptyLines: emptyLines + 1)
                } else {
                    state = .fields(try RequestLine(line))
                    headers = HTTPHeaders()
                    (headerBytes, fieldCount) = (0, 0)
                }
            case .fields(let requestLine):
                guard let line = try takeFieldLine() else { return nil }
                if let line {
                    try addField(line)
                } else {
                    let head = try HTTPHead(line: requestLine, headers: headers)
                    state = .awaitingAdmission(head.framing)
                    return .head(head)
                }
            case .fixedBody(let remaining):
                guard remaining > 0 else { return endOfRequest() }
                guard let bytes = take(upTo: remaining) else { return nil }
                state = .fixedBody(remaining: remaining - bytes.count)
                return .body(bytes)
            case .chunkSize:
                guard let line = try takeLine(256, else: .badRequest("a chunk size line is too long")) else {
                    return nil
                }
                let size = try Self.chunkSize(line)
                guard size <= bodyLimit - bodyBytes else { throw .bodyTooLarge(limit: bodyLimit) }
                bodyBytes += size
                (headerBytes, fieldCount) = (0, 0)
                state = size == 0 ? .trailers : .chunkData(remaining: size)
            case .chunkData(let remaining):
                guard let bytes = take(upTo: remaining) else { return nil }
                state = remaining == bytes.count ? .chunkEnd : .chunkData(remaining: remaining - bytes.count)
                return .body(bytes)
            case .chunkEnd:
                guard let line = try takeLine(2, else: .badRequest("a chunk is longer than its size")) else {
                    return nil
                }
                guard line.isEmpty else { throw .badRequest("a chunk is longer than its size") }
                state = .chunkSize
            case .trailers:
                guard let line = try takeFieldLine() else { return nil }
                guard let line else { return endOfRequest() }
                _ = try Self.field(line)  // checked, and dropped: nothing here has a use for trailers
            }
        }
    }

    private mutating func endOfRequest() -> Event {
        state = .requestLine(emptyLines: 0)
        headers = HTTPHeaders()
        return .end
    }

    private mutating func take(upTo count: Int) -> [UInt8]? {
        guard hasUnreadBytes else { return nil }
        let end = start + min(count, buffer.count - start)
        defer { (start, searched) = (end, end) }
        return Array(buffer[start..<end])
    }

    /// The next line without its CR LF, or nil when it is not complete. `limit` counts the line end.
    private mutating func takeLine(_ limit: Int, else tooLong: HTTPError) throws(HTTPError) -> ArraySlice<UInt8>? {
        guard let end = buffer[searched...].firstIndex(of: 0x0A) else {
            searched = buffer.count
            guard buffer.count - start < limit else { throw tooLong }
            return nil
        }
        guard end - start < limit else { throw tooLong }
        guard end > start, buffer[end - 1] == 0x0D else { throw .badRequest("a line ends in LF without CR") }
        let line = buffer[start..<(end - 1)]
        guard !line.contains(0x0D) else { throw .badRequest("CR inside a line") }
        (start, searched) = (end + 1, end + 1)
        return line
    }

    /// A field line; `.some(nil)` for the empty line that ends the section, nil when more bytes are needed.
    private mutating func takeFieldLine() throws(HTTPError) -> ArraySlice<UInt8>?? {
        let tooLarge = HTTPError.headerTooLarge("more than \(limits.headerBytes) bytes")
        let before = start
        // The empty line at the end is free, so that a header of exactly the limit passes.
        guard let line = try takeLine(limits.headerBytes - headerBytes + 2, else: tooLarge) else { return nil }
        guard !line.isEmpty else { return .some(nil) }
        headerBytes += start - before
        fieldCount += 1
        guard headerBytes <= limits.headerBytes else { throw tooLarge }
        guard fieldCount <= limits.headerFields else {
            throw .headerTooLarge("more than \(limits.headerFields) fields")
        }
        return line
    }

    private mutating func addField(_ line: ArraySlice<UInt8>) throws(HTTPError) {
        let field = try Self.field(line)
        headers.add(field.name, field.value)
    }

    private static func field(_ line: ArraySlice<UInt8>) throws(HTTPError) -> HTTPHeaders.Field {
        guard line.first != 0x20, line.first != 0x09 else { throw .badRequest("a header line starts with a space") }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else {
            throw .badRequest("a header line without a name")
        }
        guard line[..<colon].allSatisfy(\.isTokenCharacter) else {
            throw .badRequest("a header name has a character that is not allowed")
        }
        let value = line[(colon + 1)...]
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
            throw .badRequest("a header value has a control character")
        }
        return HTTPHeaders.Field(
            name: String(decoding: line[..<colon], as: UTF8.self),
            value: String(decoding: value, as: UTF8.self).trimmed())
    }

    /// RFC 9112 7.1: hexadecimal digits, then nothing or `;` and extensions, which mean nothing here.
    private static func chunkSize(_ line: ArraySlice<UInt8>) throws(HTTPError) -> Int {
        let digits = line.prefix { $0.hexValue != nil }
        let rest = line.dropFirst(digits.count)
        guard (1...15).contains(digits.count), rest.isEmpty || rest.first == UInt8(ascii: ";"),
            rest.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
        else { throw .badRequest("a chunk size is not a hexadecimal number") }
        return digits.reduce(0) { $0 << 4 | Int($1.hexValue ?? 0) }
    }
}
