import Foundation
import HTTP
import Testing

@Suite struct DrainTests {
    @Test func endsAtOnceWhenIdle() async throws {
        try await withServer { server, _ in
            let idle = try (0..<20).map { _ in try RawClient(port: server.port) }
            for client in idle { #expect(try client.get("/hello").status == 200) }
            let start = ContinuousClock.now
            #expect(await server.drain())
            // Not after the minute that idle connections, and drains, may take.
            #expect(ContinuousClock.now - start < .seconds(30))
            for client in idle { #expect(client.isClosed()) }
            #expect(throws: RawClient.Failure.self) { try RawClient(port: server.port) }
        }
    }

    @Test func finishesWhatRuns() async throws {
        try await withServer { server, journal in
            let client = try RawClient(port: server.port)
            client.send("GET /pause HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await journal.has("pause began"))
            let drain = Task { await server.drain() }
            #expect(await eventually { server.isDraining })
            journal.note("go on")
            let answer = try client.answer()
            #expect(answer.text == "paused")
            #expect(answer.fields["connection"] == "close")
            #expect(client.isClosed())
            #expect(await drain.value)
            #expect(throws: RawClient.Failure.self) { try RawClient(port: server.port) }
        }
    }

    @Test func cancelsAtTheDeadline() async throws {
        try await withServer { server, journal in
            let client = try RawClient(port: server.port)
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            let reader = try RawClient(port: server.port)
            reader.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await journal.has("slow began"))
            #expect(await journal.has("event 0"))
            let start = ContinuousClock.now
            #expect(await !server.drain(deadline: .milliseconds(200)))
            #expect(ContinuousClock.now - start < .seconds(30))
            #expect(await journal.has("slow cancelled"))
            #expect(await journal.has("events ended"))
            #expect(await eventually { server.connectionCount == 0 })
        }
    }

    /// A port is free again as soon as its server has ended.
    @Test func freesThePort() async throws {
        let configuration = HTTPServer.Configuration(router: Router())
        var server = try await HTTPServer.start(port: 0, configuration: configuration)
        for _ in 0..<5 {
            _ = try RawClient(port: server.port)
            await server.stop()
            server = try await HTTPServer.start(port: server.port, configuration: configuration)
        }
        await server.stop()
    }
}
