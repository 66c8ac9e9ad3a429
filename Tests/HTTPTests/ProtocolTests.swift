import Foundation
import HTTP
import Testing

@Suite struct ProtocolTests {
    @Test func answersOnOneConnection() async throws {
        try await withServer { server, journal in
            let client = try RawClient(port: server.port)
            for _ in 0..<1000 { #expect(try client.get("/hello").text == "hello") }
            #expect(server.connectionCount == 1)
            #expect(await eventually { journal.finished.count == 1000 })
            #expect(Set(journal.finished.map(\.requestID)).count == 1000)
        }
    }

    @Test func listensOnIPv6() async throws {
        try await withServer(host: "::1") { server, journal in
            let client = try RawClient(port: server.port, ipv6: true)
            #expect(try client.get("/hello").text == "hello")
            #expect(await eventually { journal.finished.first?.remote == "::1" })
        }
    }

    @Test func saysWhyItCannotListen() async throws {
        try await withServer { server, _ in
            await #expect(throws: HTTPError.self) {
                try await HTTPServer.start(port: server.port, configuration: .init(router: Router()))
            }
            for host in ["example.invalid", "", "1.2.3", "::zz"] {
                await #expect {
                    try await HTTPServer.start(host: host, port: 0, configuration: .init(router: Router()))
                } throws: { error in
                    "\(error)".contains("address")
                }
            }
        }
    }

    @Test func answersHead() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            client.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = try client.answer(toHead: true)
            #expect(head.status == 200)
            #expect(head.fields["content-length"] == "5")
            client.send("HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.answer(toHead: true).fields["content-type"] == "text/event-stream; charset=utf-8")
            client.send("HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.answer(toHead: true).status == 404)
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test func knowsMethodsAndPaths() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            #expect(try client.get("/v1/videos/a%20b").text == "video a b")
            let missing = try client.get("/v1/nothing")
            #expect(missing.status == 404)
            #expect(missing.text == "{\"error\":{\"message\":\"nothing is found at /v1/nothing\"}}")
            for path in ["/api/hello", "/v1/hello/"] {
                let near = try client.get(path)
                #expect(near.status == 404)
                #expect(near.text.contains("nothing is found at \(path); there is /hello"))
            }
            #expect(missing.fields["content-type"] == "application/json")
            client.send("PUT /v1/videos/7 HTTP/1.1\r\nHost: a\r\n\r\n")
            let wrong = try client.answer()
            #expect(wrong.status == 405)
            #expect(wrong.fields["allow"] == "DELETE, GET, HEAD, OPTIONS")
            client.send("DELETE /v1/videos/7 HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.answer().text == "deleted 7")
            #expect(try client.get("/fail").status == 500)
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test func answersOptions() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            client.send("OPTIONS /hello HTTP/1.1\r\nHost: a\r\nOrigin: https://example.org\r\n\r\n")
            let answer = try client.answer()
            #expect(answer.status == 204)
            #expect(answer.fields["allow"] == "GET, HEAD, OPTIONS")
            #expect(!answer.head.lowercased().contains("access-control"))
            client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.answer().fields["allow"] == "DELETE, GET, HEAD, OPTIONS, POST")
            client.send("OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.answer().status == 404)
        }
    }

    @Test func sharesWithOtherOrigins() async throws {
        try await withServer(configure: { $0.cors = CORS(origins: ["https://example.org"]) }) { server, _ in
            let client = try RawClient(port: server.port)
            client.send(
                "OPTIONS /echo HTTP/1.1\r\nHost: a\r\nOrigin: https://example.org\r\n"
                    + "Access-Control-Request-Method: POST\r\n\r\n")
            let preflight = try client.answer()
            #expect(preflight.status == 204)
            #expect(preflight.fields["access-control-allow-origin"] == "https://example.org")
            #expect(preflight.fields["access-control-allow-methods"] == "OPTIONS, POST")
            // OpenAI's library adds fields of its own in a browser.
            client.send(
                "OPTIONS /echo HTTP/1.1\r\nHost: a\r\nOrigin: https://example.org\r\n"
                    + "Access-Control-Request-Method: POST\r\n"
                    + "Access-Control-Request-Headers: content-type, x-stainless-os,x-stainless-lang, b@d\r\n\r\n")
            let fields = try client.answer().fields["access-control-allow-headers"]?.split(separator: ", ") ?? []
            #expect(fields == ["Authorization", "Content-Type", "X-Request-Id", "x-stainless-os", "x-stainless-lang"])
            let allowed = "access-control-allow-origin"
            #expect(
                try client.get("/hello", "Origin: https://example.org\r\n").fields[allowed] == "https://example.org")
            #expect(try client.get("/nothing", "Origin: https://example.org\r\n").fields[allowed] != nil)
            let other = try client.get("/hello", "Origin: https://evil.example\r\n")
            #expect(other.fields[allowed] == nil)
            #expect(other.fields["vary"] == "Origin")
        }
        try await withServer(configure: { $0.cors = CORS(origins: ["*"]) }) { server, _ in
            let answer = try RawClient(port: server.port).get("/hello", "Origin: https://any.example\r\n")
            #expect(answer.fields["access-control-allow-origin"] == "*")
        }
    }

    @Test func answersExpectations() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            #expect(try client.readHead().status == 100)
            client.send("hello")
            #expect(try client.answer().text == "hello")
            // Nothing to ask for: the body is here already.
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
            #expect(try client.answer().text == "hello")
            // A body that would not be taken is not asked for.
            client.send("POST /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
            #expect(try client.answer().status == 413)
            #expect(client.isClosed())
        }
    }

    @Test func readsBodies() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            let body = (0..<900_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            client.send(Array("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body)
            #expect(try client.answer().body == body)
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in 0..<9 {
                client.send(Array("186A0\r\n".utf8) + body[(piece * 100_000)..<((piece + 1) * 100_000)] + [13, 10])
            }
            client.send("0\r\nTrailer: x\r\n\r\n")
            #expect(try client.answer().body == body)
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test func answersPipelinedRequestsInOrder() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            // The first is the slowest; the others arrive while it runs.
            client.send(
                "GET /soon HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none")
            usleep(5000)
            client.send("GET /v1/videos/2 HTTP/1.1\r\nHost: a\r\n\r\nGET /soon HTTP/1.1\r\nHost: a\r\n\r\n")
            client.send("GET /v1/videos/4 HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.answer().text == "soon")
            #expect(try client.answer().text == "one")
            #expect(try client.answer().text == "video 2")
            #expect(try client.answer().text == "soon")
            #expect(try client.answer().text == "video 4")

            // More than the server takes in while it works on the first: the rest waits in the kernel.
            let count = 6000
            client.send("GET /soon HTTP/1.1\r\nHost: a\r\n\r\n")
            var many: [UInt8] = []
            for number in 0..<count { many += Array("GET /v1/videos/\(number) HTTP/1.1\r\nHost: a\r\n\r\n".utf8) }
            client.send(many)
            #expect(try client.answer().text == "soon")
            for number in 0..<count { #expect(try client.answer().text == "video \(number)") }
        }
    }

    @Test func closesWhenAsked() async throws {
        try await withServer { server, _ in
            let closing = try RawClient(port: server.port)
            let last = try closing.get("/hello", "Connection: close\r\n")
            #expect(last.fields["connection"] == "close")
            #expect(closing.isClosed())

            let old = try RawClient(port: server.port)
            old.send("GET /hello HTTP/1.0\r\n\r\n")
            #expect(try old.answer().text == "hello")
            #expect(old.isClosed())

            let kept = try RawClient(port: server.port)
            for _ in 0..<2 {
                kept.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(try kept.answer().fields["connection"] == "keep-alive")
            }
        }
    }

    /// A stream to HTTP/1.0 has no chunks; the close is its end.
    @Test func streamsToOldClients() async throws {
        try await withServer(configure: { configuration in
            configuration.router.add("GET", "/two") { _ in
                .events { writer in
                    try await writer.write("one ")
                    try await writer.write("two")
                }
            }
        }) { server, _ in
            let old = try RawClient(port: server.port)
            old.send("GET /two HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            let answer = try old.answer()
            #expect(answer.fields["transfer-encoding"] == nil)
            #expect(answer.text == "one two")
        }
    }

    @Test func namesRequests() async throws {
        try await withServer { server, journal in
            let client = try RawClient(port: server.port)
            #expect(try client.get("/hello", "X-Request-Id: my-id.7\r\n").fields["x-request-id"] == "my-id.7")
            let replaced = try client.get("/v1/videos/7?key=secret", "X-Request-Id: not a plain id\r\n")
            #expect(replaced.fields["x-request-id"]?.hasPrefix("req_") == true)
            #expect(await eventually { journal.finished.count == 2 })
            let exchange = try #require(journal.finished.last)
            #expect(exchange.method == "GET")
            #expect(exchange.route == "/v1/videos/{id}")
            #expect(exchange.path == "/v1/videos/7")
            #expect(exchange.status == 200)
            #expect(exchange.bytes == 7)
            #expect(exchange.remote == "127.0.0.1")
            #expect(exchange.requestID == replaced.fields["x-request-id"])
            #expect(exchange.duration > .zero && exchange.duration < .seconds(5))
            #expect(exchange.isComplete)
        }
    }

    /// What a handler copies from outside into a field cannot end the line.
    @Test func keepsFieldsOnTheirLines() async throws {
        try await withServer(configure: { configuration in
            configuration.router.add("GET", "/copy") { request in
                HTTPResponse(
                    headers: ["X-Copy": request.query("x") ?? "", "Content-Length": "999", "Connection": "upgrade"])
            }
        }) { server, _ in
            let client = try RawClient(port: server.port)
            let answer = try client.get("/copy?x=a%0d%0aX-Evil:%20yes%0d%0a%0d%0aHTTP/1.1")
            #expect(answer.fields["x-copy"] == "a  X-Evil: yes    HTTP/1.1")
            #expect(answer.fields["x-evil"] == nil)
            #expect(answer.fields["content-length"] == "0")
            #expect(answer.fields["connection"] == nil)
            #expect(try client.get("/hello").text == "hello")
        }
    }

    /// A client without a key is told so before it has sent its upload.
    @Test func admitsBeforeTheBody() async throws {
        struct NoKey: Error {}
        try await withServer(configure: { configuration in
            configuration.admit = { request in
                guard request.headers["Authorization"] == "Bearer key" else { throw NoKey() }
            }
            configuration.errorResponse = { error, request in
                .text(request?.route ?? "-", status: error is NoKey ? 401 : 500)
            }
        }) { server, _ in
            let client = try RawClient(port: server.port)
            client.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 60000000\r\n\r\n")
            let refused = try client.answer()
            #expect(refused.status == 401)
            #expect(refused.text == "/upload")
            #expect(client.isClosed())
            let other = try RawClient(port: server.port)
            #expect(try other.get("/hello").status == 401)
            #expect(try other.get("/hello", "Authorization: Bearer key\r\n").text == "hello")
        }
    }
}
