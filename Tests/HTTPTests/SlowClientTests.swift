import Foundation
import Glibc
import HTTP
import Testing

/// Clients that keep the server waiting, one by one and as a crowd.
@Suite struct SlowClientTests {
    private static let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"

    /// Sends a byte now and then, until the server has closed or the time is over.
    private func trickle(_ client: RawClient, seconds: Double, bytes: Int = 1) -> Double {
        let start = ContinuousClock.now
        client.send(Self.head)
        while ContinuousClock.now - start < .seconds(seconds), client.send([UInt8](repeating: 0x61, count: bytes)) {
            if (try? client.receive(within: 0.05)) != nil { break }
        }
        return (ContinuousClock.now - start) / .seconds(1)
    }

    @Test func aBodyHasATimeForAllOfIt() async throws {
        try await withServer(limits: { $0.bodyDeadline = .milliseconds(600) }) { server, _ in
            let client = try RawClient(port: server.port)
            // Far more than the least rate, and never a pause.
            let seconds = trickle(client, seconds: 10, bytes: 200)
            #expect(seconds > 0.5 && seconds < 8)
            #expect(try client.answer().status == 408)
            #expect(client.isClosed())
        }
    }

    @Test func aBodyComesAtALeastRate() async throws {
        try await withServer(limits: { ($0.leastBodyRate, $0.bodyGrace) = (2000, .milliseconds(500)) }) { server, _ in
            let slow = try RawClient(port: server.port)
            let seconds = trickle(slow, seconds: 10)
            #expect(seconds > 0.4 && seconds < 8)
            #expect(try slow.answer().status == 408)
            // Twice the rate may go on.
            let steady = try RawClient(port: server.port)
            steady.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6000\r\n\r\n")
            for _ in 0..<15 {
                usleep(100_000)
                steady.send([UInt8](repeating: 0x61, count: 400))
            }
            #expect(try steady.answer().body.count == 6000)
        }
    }

    @Test func aCrowdOfSlowBodiesShutsNobodyOut() async throws {
        let change: (inout HTTPLimits) -> Void = { ($0.connections, $0.slowEviction) = (20, .milliseconds(200)) }
        try await withServer(limits: change) { server, _ in
            let crowd = try (0..<20).map { _ in try RawClient(port: server.port) }
            for client in crowd { client.send(Self.head) }
            #expect(await eventually { server.connectionCount == 20 })
            usleep(300_000)
            for client in crowd { client.send("a") }
            usleep(300_000)
            for _ in 0..<5 { #expect(try RawClient(port: server.port).get("/hello").status == 200) }
            // Who came first had waited longest.
            #expect(try crowd[0].answer().status == 408)
        }
    }

    @Test func theLongestIdleGivesItsPlaceUp() async throws {
        let change: (inout HTTPLimits) -> Void = { ($0.connections, $0.idleEviction) = (5, .milliseconds(200)) }
        try await withServer(limits: change) { server, _ in
            let idle = try (0..<5).map { _ in try RawClient(port: server.port) }
            for client in idle { #expect(try client.get("/hello").status == 200) }
            // Just now somebody asked on each of them.
            #expect(try RawClient(port: server.port).get("/hello").status == 503)
            usleep(300_000)
            #expect(try idle[0].get("/hello").status == 200)
            let late = try RawClient(port: server.port)
            #expect(try late.get("/hello").status == 200)
            #expect(idle[1].isClosed())
            for client in [idle[0], idle[2], idle[3], idle[4], late] { #expect(try client.get("/hello").status == 200) }
        }
    }

    @Test func workIsNotEvicted() async throws {
        let change: (inout HTTPLimits) -> Void = {
            ($0.connections, $0.idleEviction, $0.slowEviction) = (2, .zero, .zero)
        }
        try await withServer(limits: change) { server, journal in
            let busy = try (0..<2).map { _ in try RawClient(port: server.port) }
            for client in busy { client.send("GET /pause HTTP/1.1\r\nHost: a\r\n\r\n") }
            #expect(await eventually { journal.all.count { $0 == "pause began" } == 2 })
            #expect(try RawClient(port: server.port).get("/hello").status == 503)
            journal.note("go on")
            for client in busy { #expect(try client.answer().text == "paused") }
        }
    }

    @Test func oneAddressHasItsShare() async throws {
        try await withServer(limits: { ($0.connections, $0.connectionsPerAddress) = (20, 4) }) { server, _ in
            let crowd = try (0..<4).map { _ in try RawClient(port: server.port) }
            for client in crowd { #expect(try client.get("/hello").status == 200) }
            let refused = try RawClient(port: server.port).get("/hello")
            #expect(refused.status == 503 && refused.text.contains("one address"))
            let other = try RawClient(port: server.port, source: 0x7F00_0002)
            #expect(try other.get("/hello").status == 200)
            crowd[0].close()
            #expect(await eventually { (try? RawClient(port: server.port).get("/hello").status) == 200 })
        }
    }

    /// A route that takes no body answers before any of it has come, and none of it is kept or taken for a request.
    @Test func bodiesThatNobodyReadsAreNotRead() async throws {
        try await withServer(configure: { configuration in
            configuration.router.add("POST", "/no", readsBody: false) { request in .text("no \(request.body.count)") }
        }) { server, journal in
            let before = try residentBytes()
            var clients: [RawClient] = []
            for _ in 0..<16 {
                let client = try RawClient(port: server.port)
                client.send("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 63000000\r\nExpect: 100-continue\r\n\r\n")
                clients.append(client)
            }
            for client in clients {
                let answer = try client.answer()
                #expect(answer.status == 200 && answer.text == "no 0" && answer.fields["connection"] == "close")
            }
            let smuggler = try RawClient(port: server.port)
            let hidden = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
            smuggler.send("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: \(hidden.utf8.count)\r\n\r\n\(hidden)")
            #expect(try smuggler.answer().text == "no 0")
            smuggler.finishSending()
            #expect(smuggler.isClosed())
            // One that sends it all before it looks.
            let eager = try RawClient(port: server.port)
            eager.send("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
            for _ in 0..<20 { eager.send([UInt8](repeating: 0x61, count: 1_000_000)) }
            #expect(try eager.answer().text == "no 0")
            #expect(try residentBytes() - before < 40 << 20)
            #expect(!journal.finished.contains { $0.route == "/hello" })
            // Without a body the connection stays open.
            let client = try RawClient(port: server.port)
            client.send("POST /no HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.answer().text == "no 0")
            #expect(try client.get("/hello").text == "hello")
        }
    }

    private func residentBytes() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return (Int(pages[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
