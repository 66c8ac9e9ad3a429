import Foundation
import HTTP
import Testing

@Suite struct DisconnectTests {
    /// What a client can do to be gone.
    enum Leaving: CaseIterable {
        case close, reset

        func leave(_ client: RawClient) {
            switch self {
            case .close: client.close()
            case .reset: client.reset()
            }
        }
    }

    @Test(arguments: Leaving.allCases)
    func cancelsTheHandler(leaving: Leaving) async throws {
        try await withServer { server, journal in
            let client = try RawClient(port: server.port)
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await journal.has("slow began"))
            leaving.leave(client)
            #expect(await journal.has("slow cancelled"))
            #expect(await eventually { server.connectionCount == 0 })
            let exchange = try #require(journal.finished.first)
            #expect(exchange.status == 499)
            #expect(!exchange.isComplete)
        }
    }

    @Test(arguments: Leaving.allCases)
    func cancelsTheStream(leaving: Leaving) async throws {
        try await withServer { server, journal in
            let client = try RawClient(port: server.port)
            client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readHead().status == 200)
            #expect(try client.readChunk() == Array("event: tick\nid: 0\ndata: a\ndata: b\n\n".utf8))
            leaving.leave(client)
            #expect(await journal.has("events ended"))
            #expect(await eventually { server.connectionCount == 0 })
            #expect(journal.finished.first?.isComplete == false)
        }
    }

    /// A stream that waits for its next event, and does not write, notices too.
    @Test func cancelsTheQuietStream() async throws {
        try await withServer(configure: { configuration in
            configuration.router.add("GET", "/quiet") { _ in
                .events { writer in
                    try await writer.write(ServerSentEvent.comment("begin"))
                    try await Task.sleep(for: .seconds(20))
                }
            }
        }) { server, journal in
            let client = try RawClient(port: server.port)
            client.send("GET /quiet HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try client.readHead()
            _ = try client.readChunk()
            client.close()
            #expect(await eventually { server.connectionCount == 0 })
        }
    }

    /// Also behind requests it has pipelined, few or more than the server takes in (64 KiB). Of a FIN behind more than
    /// the kernel takes in, too, nobody can know.
    @Test(arguments: [1, 2500], Leaving.allCases)
    func cancelsBehindPipelinedRequests(count: Int, leaving: Leaving) async throws {
        try await withServer { server, journal in
            let client = try RawClient(port: server.port)
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await journal.has("slow began"))
            let piece = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
            client.send(String(repeating: piece, count: count))
            usleep(50_000)
            leaving.leave(client)
            #expect(await journal.has("slow cancelled"))
            #expect(await eventually { server.connectionCount == 0 })
        }
    }

    /// A tool that shuts its sending side down after the request gets the answers that come soon.
    @Test func answersHalfClosedClients() async throws {
        try await withServer { server, journal in
            let client = try RawClient(port: server.port)
            client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /soon HTTP/1.1\r\nHost: a\r\n\r\n")
            client.finishSending()
            #expect(try client.answer().text == "hello")
            #expect(try client.answer().text == "soon")
            #expect(client.isClosed())

            let large = try RawClient(port: server.port)
            large.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            large.finishSending()
            #expect(try large.answer().body.count == 64 << 20)

            // One that takes longer counts as abandoned.
            let slow = try RawClient(port: server.port)
            slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            slow.finishSending()
            #expect(await journal.has("slow cancelled"))
            #expect(slow.isClosed())
        }
    }

    @Test func answersUnfinishedRequests() async throws {
        try await withServer { server, _ in
            for text in [
                "GET /hello HTTP/1.1\r\nHo", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
            ] {
                let client = try RawClient(port: server.port)
                client.send(text)
                client.finishSending()
                #expect(try client.answer().status == 400)
                #expect(client.isClosed())
            }
            let silent = try RawClient(port: server.port)
            silent.finishSending()
            #expect(silent.isClosed())
        }
    }
}
