import HTTP
import Testing

/// No byte of one request's body is ever read as another request, and what can be read in two ways is refused.
@Suite struct SmugglingTests {
    private static let inner = "GET /v1/videos/inner HTTP/1.1\r\nHost: a\r\n\r\n"

    /// Everything the server says to `bytes` until it closes.
    private func conversation(_ server: HTTPServer, _ text: String) throws -> String {
        let client = try RawClient(port: server.port)
        client.send(text)
        return String(decoding: try client.readToEnd(), as: UTF8.self)
    }

    @Test(arguments: [
        // Too long for the route; unknown path; wrong method; both with the body in full.
        ("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: \(inner.utf8.count)\r\n\r\n\(inner)", 413),
        ("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: \(inner.utf8.count)\r\n\r\n\(inner)", 404),
        ("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(inner.utf8.count)\r\n\r\n\(inner)", 405),
        ("PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\(inner)", 405),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n\(inner)", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n\(inner)", 400),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\(inner)",
            400
        ),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n\(inner)", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n\(inner)", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: cow\r\n\r\n\(inner)", 501),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n\(inner)", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length\u{0}: 0\r\n\r\n\(inner)", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 0\r\n\r\n\(inner)", 400),
        ("POST /echo HTTP/1.1\r\nContent-Length: 0\r\n\r\n\(inner)", 400),
        ("POST /echo HTTP/1.1\nHost: a\nContent-Length: 0\n\n\(inner)", 400),
        ("GET /hello HTTP/3.0\r\nHost: a\r\n\r\n\(inner)", 505),
        ("GET /hello\r\n\r\n\(inner)", 400),
    ])
    func refusesAndCloses(text: String, status: Int) async throws {
        try await withServer { server, journal in
            let said = try conversation(server, text)
            #expect(said.hasPrefix("HTTP/1.1 \(status) "))
            #expect(said.contains("Connection: close\r\n"))
            #expect(said.contains("{\"error\":"))
            #expect(said.split(separator: "\r\nDate: ").count == 2)  // one answer
            #expect(!said.contains("inner"))
            #expect(await eventually { journal.finished.map(\.status) == [status] })
        }
    }

    /// A body that its handler has no use for is read all the same, and dropped.
    @Test func dropsUnusedBodies() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            client.send(
                "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: \(Self.inner.utf8.count)\r\n\r\n\(Self.inner)")
            #expect(try client.answer().text == "hello")
            #expect(try client.get("/v1/videos/next").text == "video next")
        }
    }
}
