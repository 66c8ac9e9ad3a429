import HTTP
import TestSupport
import Testing

@Suite struct SocketFuzzTests {
    /// Whatever is sent, the server answers or closes in time, and goes on to serve others.
    @Test(arguments: [11, 12])
    func survives(seed: UInt64) async throws {
        try await withServer(limits: { limits in
            limits.headerDeadline = .milliseconds(200)
            limits.bodyProgress = .milliseconds(200)
            limits.idle = .milliseconds(200)
            limits.linger = .milliseconds(200)
        }) { server, _ in
            var dice = SplitMix64(seed: seed)
            for round in 0..<15 {
                var clients: [RawClient] = []
                for _ in 0..<20 {
                    let client = try RawClient(port: server.port)
                    var bytes = Fuzz.input(&dice)[...]
                    while !bytes.isEmpty {
                        let piece = bytes.prefix(Int.random(in: 1...200, using: &dice))
                        guard client.send(Array(piece)) else { break }
                        bytes = bytes.dropFirst(piece.count)
                    }
                    switch Int.random(in: 0..<4, using: &dice) {
                    case 0: client.reset()
                    case 1: client.finishSending()
                    default: break
                    }
                    clients.append(client)
                }
                for client in clients {
                    // To the end of what it says, which must come within the deadlines.
                    let said = (try? client.readToEnd(within: 5)) ?? []
                    #expect(said.isEmpty || said.starts(with: "HTTP/1.1 ".utf8))
                }
                #expect(try RawClient(port: server.port).get("/hello").text == "hello", "round \(round)")
            }
            #expect(await eventually { server.connectionCount == 0 })
        }
    }
}
