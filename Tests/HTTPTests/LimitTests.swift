import Foundation
import HTTP
import Testing

@Suite struct LimitTests {
    @Test func refusesLongHeaders() async throws {
        try await withServer { server, _ in
            let field = "X-Long: " + String(repeating: "a", count: 128 << 10)
            let fields = String(repeating: "X-Many: a\r\n", count: 100_000)
            for (text, status) in [
                ("GET /hello HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n", 431),
                ("GET /hello HTTP/1.1\r\nHost: a\r\n\(field)", 431),
                ("GET /hello HTTP/1.1\r\nHost: a\r\n\(fields)\r\n", 431),
                ("GET /" + String(repeating: "a", count: 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
                (String(repeating: "a", count: 9000), 414),
            ] {
                let client = try RawClient(port: server.port)
                let start = ContinuousClock.now
                client.send(text)
                #expect(try client.answer().status == status)
                #expect(ContinuousClock.now - start < .seconds(9))
                client.finishSending()
                #expect(client.isClosed())
                // The same from somebody who does not wait for the answer.
                let hasty = try RawClient(port: server.port)
                hasty.send(text)
                hasty.reset()
            }
            let edge = "/" + String(repeating: "a", count: 8192 - 16)
            #expect(try RawClient(port: server.port).get(edge).status == 404)
            #expect(await eventually { server.connectionCount == 0 })
        }
    }

    @Test func closesHalfSentHeaders() async throws {
        try await withServer(limits: { $0.headerDeadline = .milliseconds(300) }) { server, _ in
            let half = try RawClient(port: server.port)
            let start = ContinuousClock.now
            half.send("GET /hello HTTP/1.1\r\nHo")
            #expect(try half.answer().status == 408)
            #expect(half.isClosed())
            #expect(ContinuousClock.now - start > .milliseconds(250))

            // Each byte is progress, and yet the deadline is for the whole.
            let slow = try RawClient(port: server.port)
            let slowStart = ContinuousClock.now
            for byte in "GET /hello HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".utf8 {
                guard slow.send([byte]), ContinuousClock.now - slowStart < .seconds(2) else { break }
                usleep(20_000)
            }
            #expect(try slow.answer().status == 408)
            // The deadline begins with a request, not with the connection.
            let patient = try RawClient(port: server.port)
            usleep(400_000)
            #expect(try patient.get("/hello").text == "hello")
        }
    }

    @Test func closesStalledBodies() async throws {
        try await withServer(limits: { $0.bodyProgress = .seconds(4) }) { server, journal in
            for head in ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n5\r\nha"] {
                let client = try RawClient(port: server.port)
                client.send("POST /echo HTTP/1.1\r\nHost: a\r\n" + head)
                #expect(try client.answer().status == 408)
                #expect(client.isClosed())
            }
            // Slow, but moving.
            let slow = try RawClient(port: server.port)
            slow.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n")
            for _ in 0..<8 {
                usleep(550_000)
                slow.send("x")
            }
            #expect(try slow.answer().text == "xxxxxxxx")
            #expect(await eventually { journal.finished.map(\.status) == [408, 408, 200] })
        }
    }

    @Test func refusesLongBodies() async throws {
        try await withServer { server, journal in
            for text in [
                "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
                "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(1 << 20 + 1)\r\n\r\n",
                "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n",
                "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFF\r\n",
            ] {
                let client = try RawClient(port: server.port)
                client.send(text)
                #expect(try client.answer().status == 413)
                client.finishSending()
                #expect(client.isClosed())
            }
            #expect(!journal.all.contains { $0.hasPrefix("small") })

            // A client that sends it all before it looks still gets the answer, not a reset.
            let eager = try RawClient(port: server.port)
            eager.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
            for _ in 0..<20 { eager.send([UInt8](repeating: 0x61, count: 1_000_000)) }
            #expect(try eager.answer().status == 413)

            let upload = try RawClient(port: server.port)
            upload.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
            for _ in 0..<20 { upload.send([UInt8](repeating: 0x61, count: 1_000_000)) }
            #expect(try upload.answer().text == "20000000")
        }
    }

    @Test func boundsTheBodiesOfAll() async throws {
        let gate = Journal()
        try await withServer(
            limits: { $0.bufferedBodyBytes = 1 << 20 },
            configure: { configuration in
                configuration.router.add("POST", "/hold", bodyLimit: 1 << 20) { request in
                    gate.note("held")
                    while !gate.all.contains("go on") { try await Task.sleep(for: .milliseconds(5)) }
                    return .text("\(request.body.count)")
                }
            }
        ) { server, _ in
            let post = { (path: String, count: Int) in
                let client = try RawClient(port: server.port)
                client.send("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(count)\r\n\r\n")
                client.send([UInt8](repeating: 0x61, count: count))
                return client
            }
            let first = try post("/hold", 1_000_000)
            #expect(await gate.has("held"))
            let refused = try post("/upload", 100_000).answer()
            #expect(refused.status == 503)
            #expect(refused.fields["retry-after"] == "1")
            gate.note("go on")
            #expect(try first.answer().text == "1000000")
            // What was held is given back.
            #expect(await eventually { (try? post("/upload", 1_000_000).answer().text) == "1000000" })
        }
    }

    @Test func refusesConnectionsOverTheMaximum() async throws {
        try await withServer(limits: { $0.connections = 20 }) { server, _ in
            var clients = try (0..<20).map { _ in try RawClient(port: server.port) }
            for client in clients { #expect(try client.get("/hello").status == 200) }
            for _ in 0..<100 {
                let refused = try RawClient(port: server.port)
                refused.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try refused.answer()
                #expect(answer.status == 503)
                #expect(answer.fields["retry-after"] == "1")
                #expect(answer.fields["connection"] == "close")
                refused.finishSending()
                #expect(refused.isClosed())
            }
            for client in clients { #expect(try client.get("/hello").status == 200) }
            clients.removeAll()
            #expect(await eventually { server.connectionCount == 0 })
            #expect(try RawClient(port: server.port).get("/hello").status == 200)
        }
    }
}
