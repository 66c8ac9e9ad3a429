import Glibc
import HTTP
import Testing

/// What a parser makes of some bytes: the requests it finds, and the status of the refusal that ends it.
struct Parsed: Equatable {
    struct Request: Equatable {
        var head: HTTPHead
        var body: [UInt8] = []
        var isWhole = false
    }

    var requests: [Request] = []
    var error: HTTPError?
    var isInsideHead = false

    /// Feeds `bytes` in pieces of at most `piece` bytes.
    init(_ bytes: [UInt8], piece: Int = .max, limits: HTTPLimits = HTTPLimits(), bodyLimit: Int = 1 << 20) {
        var parser = HTTPParser(limits: limits)
        var rest = bytes[...]
        do throws(HTTPError) {
            repeat {
                parser.append(rest.prefix(piece))
                rest = rest.dropFirst(piece)
                while let event = try parser.next() {
                    switch event {
                    case .head(let head):
                        requests.append(Request(head: head))
                        try parser.admitBody(upTo: bodyLimit)
                    case .body(let bytes): requests[requests.count - 1].body += bytes
                    case .end: requests[requests.count - 1].isWhole = true
                    }
                }
            } while !rest.isEmpty
        } catch {
            self.error = error
        }
        isInsideHead = parser.isInsideHead
    }

    init(_ text: String, piece: Int = .max, limits: HTTPLimits = HTTPLimits(), bodyLimit: Int = 1 << 20) {
        self.init(Array(text.utf8), piece: piece, limits: limits, bodyLimit: bodyLimit)
    }
}

@Suite struct ParserTests {
    @Test func readsARequest() throws {
        let parsed = Parsed(
            "POST /v1/a%20b?x=1&y=a+b%26c HTTP/1.1\r\nHost: example.org:8080\r\nX-One:  two \t\r\nx-one: three\r\n"
                + "Content-Length: 5\r\n\r\nhello")
        #expect(parsed.error == nil)
        let request = try #require(parsed.requests.first)
        #expect(request.head.method == "POST")
        #expect(request.head.target.segments == ["v1", "a b"])
        #expect(request.head.target.rawPath == "/v1/a%20b")
        #expect(request.head.target.query.map(\.name) == ["x", "y"])
        #expect(request.head.target.query.map(\.value) == ["1", "a b&c"])
        #expect(request.head.headers.all("X-ONE") == ["two", "three"])
        #expect(request.head.keepAlive)
        #expect(request.body == Array("hello".utf8))
        #expect(request.isWhole)
        #expect(!parsed.isInsideHead)
    }

    @Test func readsChunks() throws {
        let parsed = Parsed(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
                + "5;name=\"value\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Trailer: dropped\r\n\r\n"
                + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(parsed.error == nil)
        #expect(parsed.requests.count == 2)
        #expect(parsed.requests.first?.body == Array("hello0123456789".utf8))
        #expect(parsed.requests.last?.head.target.rawPath == "/next")
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, close\r\n\r\n", false),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
    ])
    func decidesOnKeepAlive(text: String, expected: Bool) throws {
        #expect(try #require(Parsed(text).requests.first).head.keepAlive == expected)
    }

    @Test(arguments: [
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://example.org/x?y HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "GET http://example.org HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Text: caf\u{e9}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET /a//b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ])
    func accepts(text: String) {
        let parsed = Parsed(text)
        #expect(parsed.error == nil)
        #expect(parsed.requests.map(\.isWhole) == [true])
    }

    static let refused: [(String, Int)] = [
        // The request line.
        ("GET /\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        // The target.
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /?x=%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /caf\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a/.%2E/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /..%2fx HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /x%2f..%2fy HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        // Lines and fields.
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\u{0}: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        // The framing of the body.
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", 417),
    ]

    @Test(arguments: refused)
    func refuses(text: String, status: Int) {
        let parsed = Parsed(text)
        #expect(parsed.error?.status == status)
        #expect(parsed.requests.isEmpty)
    }

    @Test(arguments: [
        "+5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "g\r\n", "-1\r\n",
        "7fffffffffffffffffff\r\n", "5;\u{0}\r\nhello\r\n0\r\n\r\n", "0\r\nbad trailer\r\n\r\n",
    ])
    func refusesChunks(text: String) {
        let parsed = Parsed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + text)
        #expect(parsed.error?.status == 400)
        #expect(parsed.requests.map(\.isWhole) == [false])
    }

    @Test func keepsLimits() {
        var limits = HTTPLimits()
        limits.requestLineBytes = 100
        limits.headerBytes = 200
        limits.headerFields = 3
        let line = { (count: Int) in "GET /" + String(repeating: "a", count: count - 16) + " HTTP/1.1\r\n" }
        let field = { (count: Int) in "X: " + String(repeating: "a", count: count - 5) + "\r\n" }
        let host = "Host: a\r\n"
        #expect(Parsed(line(100) + host + "\r\n", limits: limits).error == nil)
        #expect(Parsed(line(101) + host + "\r\n", limits: limits).error?.status == 414)
        // Without its end, and still growing.
        #expect(Parsed(String(repeating: "a", count: 99), limits: limits).error == nil)
        #expect(Parsed(String(repeating: "a", count: 100), limits: limits).error?.status == 414)
        #expect(Parsed(line(50) + host + field(191) + "\r\n", limits: limits).error == nil)
        #expect(Parsed(line(50) + host + field(192) + "\r\n", limits: limits).error?.status == 431)
        #expect(Parsed(line(50) + host + String(repeating: "a", count: 300), limits: limits).error?.status == 431)
        #expect(Parsed(line(50) + host + field(9) + field(9) + "\r\n", limits: limits).error == nil)
        #expect(Parsed(line(50) + host + field(9) + field(9) + field(9), limits: limits).error?.status == 431)
    }

    @Test func refusesBodiesBeforeReadingThem() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\n"
        #expect(Parsed(head + "Content-Length: 10\r\n\r\n0123456789", bodyLimit: 10).error == nil)
        let long = Parsed(head + "Content-Length: 11\r\n\r\n", bodyLimit: 10)
        #expect(long.error == .bodyTooLarge(limit: 10))
        let chunked = Parsed(head + "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n", bodyLimit: 10)
        #expect(chunked.error == .bodyTooLarge(limit: 10))
        #expect(chunked.requests.first?.body.count == 6)
    }

    @Test func staysFailed() throws {
        var parser = HTTPParser(limits: HTTPLimits())
        parser.append(Array("nonsense\r\n".utf8))
        #expect(throws: HTTPError.self) { try parser.next() }
        parser.append(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
        #expect(throws: HTTPError.self) { try parser.next() }
    }

    /// However the bytes are cut, the same comes out.
    @Test(arguments: [1, 2, 3, 7, 64])
    func doesNotDependOnPieces(piece: Int) {
        let whole =
            "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            + "\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"
            + "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        #expect(Parsed(whole, piece: piece) == Parsed(whole))
        #expect(Parsed(whole, piece: piece).requests.count == 3)
        for (text, _) in Self.refused {
            #expect(Parsed(text, piece: piece) == Parsed(text))
        }
    }

    /// 64 times the bytes take about 64 times the time, not 4096 times, even one byte at a time.
    @Test func takesLinearTime() {
        var limits = HTTPLimits()
        limits.headerBytes = 1 << 30
        limits.headerFields = .max
        let time = { (fields: Int) in
            let text = "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: aaaaaaaaaaaaa\r\n", count: fields)
            let start = threadSeconds()
            #expect(Parsed(text, piece: 1, limits: limits).error == nil)
            return threadSeconds() - start
        }
        let short = (0..<5).map { _ in time(200) }.min() ?? 0
        #expect(time(200 * 64) < short * 64 * 12)
        // Pipelined requests in one piece.
        let pipelined = String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 20_000)
        let start = threadSeconds()
        #expect(Parsed(pipelined).requests.count == 20_000)
        #expect(threadSeconds() - start < 5)
    }
}

/// Processor time of this thread, which other work on the machine does not count in.
private func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
