/// The framing of one answer, decided from the answer and from the request it belongs to, and its head as bytes.
struct ResponseHead {
    enum Framing: Equatable {
        /// No body at all, not even an empty one (HEAD, 204, 304).
        case none
        case length(Int)
        case chunked
        /// HTTP/1.0 has no chunks: the end of the body is the end of the connection.
        case untilClose
    }

    let framing: Framing
    let keepAlive: Bool
    let bytes: [UInt8]

    /// - Parameters:
    ///   - request: nil when the answer is to bytes that could not be read as a request.
    ///   - keepAlive: whether the connection may go on after this exchange, the client willing.
    init(_ response: HTTPResponse, to request: HTTPHead?, keepAlive: Bool) {
        let isHead = request?.method == "HEAD"
        let isHTTP10 = request?.minorVersion == 0
        let hasBody = !(100..<200).contains(response.status) && response.status != 204 && response.status != 304

        var lengthField: String?
        var willKeepAlive = keepAlive && request?.keepAlive == true
        var framing: Framing
        switch response.body {
        case .bytes(let bytes): framing = .length(bytes.count)
        case .file(_, let range): framing = .length(range.count)
        case .stream: framing = isHTTP10 ? .untilClose : .chunked
        }
        if !hasBody { framing = .none }
        if case .length(let count) = framing { lengthField = String(count) }
        let isChunked = framing == .chunked
        if isHead { framing = .none }
        if framing == .untilClose { willKeepAlive = false }

        var text = "HTTP/1.1 \(response.status) \(HTTPResponse.reason(response.status))\r\n"
        text += "Date: \(HTTPDate.now())\r\n"
        for field in response.headers.fields where !Self.isReserved(field.name) {
            text += "\(field.name): \(Self.clean(field.value))\r\n"
        }
        if let lengthField { text += "Content-Length: \(lengthField)\r\n" }
        if isChunked { text += "Transfer-Encoding: chunked\r\n" }
        if !willKeepAlive {
            text += "Connection: close\r\n"
        } else if isHTTP10 {
            text += "Connection: keep-alive\r\n"
        }
        text += "\r\n"
        self.framing = framing
        self.keepAlive = willKeepAlive
        bytes = Array(text.utf8)
    }

    private static func isReserved(_ name: String) -> Bool {
        ["Date", "Content-Length", "Transfer-Encoding", "Connection"].contains { name.equalsIgnoringCase($0) }
    }

    /// A value that came from outside must not end its line and begin another.
    private static func clean(_ value: String) -> String {
        guard value.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return value }
        return String(decoding: value.utf8.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
    }
}
