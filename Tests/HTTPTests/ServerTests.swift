import HTTP
import Testing

@Suite struct ServerTests {
    @Test func answersGet() async throws {
        try await withServer { server, journal in
            let client = try RawClient(port: server.port)
            let answer = try client.get("/hello")
            #expect(answer.status == 200)
            #expect(answer.text == "hello")
            #expect(try client.get("/hello").text == "hello")
            #expect(await eventually { journal.finished.count == 2 })
        }
    }

    @Test func speed() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            let start = ContinuousClock.now
            for _ in 0..<1000 { _ = try client.get("/hello") }
            print("1000 GETs:", ContinuousClock.now - start)
        }
    }
}
