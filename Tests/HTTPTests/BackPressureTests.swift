import Foundation
import HTTP
import Synchronization
import Testing

@Suite struct BackPressureTests {
    /// A client that does not read stops its producer, is felt by nobody else, and is cut at the write deadline.
    @Test func stopsAtClientsThatDoNotRead() async throws {
        let written = Atomic<Int>(0)
        try await withServer(
            limits: { $0.writeStall = .seconds(5) },
            configure: { configuration in
                configuration.router.add("GET", "/endless") { _ in
                    HTTPResponse(
                        body: .stream { writer in
                            while true {
                                try await writer.write([UInt8](repeating: 0x61, count: 100_000))
                                written.add(100_000, ordering: .relaxed)
                            }
                        })
                }
            }
        ) { server, journal in
            let start = ContinuousClock.now
            let stalled = try ["/endless", "/large"].map { path in
                let client = try RawClient(port: server.port, receiveBuffer: 64 << 10)
                client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                return client
            }
            let other = try RawClient(port: server.port)
            for _ in 0..<10 { #expect(try other.get("/hello").status == 200) }
            // Answered while the two still stood there.
            #expect(server.connectionCount == 3)
            #expect(await eventually { journal.finished.filter { !$0.isComplete }.count == 2 })
            #expect(ContinuousClock.now - start > .seconds(5))
            // What the kernel holds for one connection, and no more.
            #expect(written.load(ordering: .relaxed) < 8 << 20)
            #expect(await eventually { server.connectionCount == 1 })
            for client in stalled {
                #expect(throws: (any Error).self) { try client.answer() }
            }
        }
    }

    @Test func waitsForSlowReaders() async throws {
        try await withServer(limits: { $0.writeStall = .seconds(4) }) { server, journal in
            let client = try RawClient(port: server.port, receiveBuffer: 64 << 10)
            client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            let length = try #require(try client.readHead().fields["content-length"].flatMap { Int($0) })
            // Longer in all than the deadline, which is for a single step.
            var rest = length
            for _ in 0..<10 {
                usleep(450_000)
                rest -= try client.read(min(rest, 2 << 20)).count
            }
            #expect(try client.read(rest).allSatisfy { $0 == 0x61 })
            #expect(await eventually { journal.finished.first?.isComplete == true })
        }
    }

    /// Writes from several tasks take turns, and the heartbeat keeps a quiet stream alive.
    @Test func interleavesWholeWrites() async throws {
        try await withServer(configure: { configuration in
            configuration.router.add("GET", "/both") { _ in
                .events { writer in
                    try await writer.withHeartbeats(every: .milliseconds(5)) {
                        for number in 0..<20 {
                            try await writer.write(ServerSentEvent(data: "\(number)"))
                            try await Task.sleep(for: .milliseconds(7))
                        }
                    }
                }
            }
            configuration.router.add("GET", "/crowd") { _ in
                HTTPResponse(
                    body: .stream { writer in
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            for letter in UInt8(ascii: "a")...UInt8(ascii: "z") {
                                group.addTask { try await writer.write([UInt8](repeating: letter, count: 200_000)) }
                            }
                            try await group.waitForAll()
                        }
                    })
            }
        }) { server, _ in
            let client = try RawClient(port: server.port)
            let lines = try client.get("/both").text.split(separator: "\n")
            #expect(lines.filter { $0.hasPrefix("data: ") } == (0..<20).map { "data: \($0)" })
            #expect(lines.contains(": keep-alive"))

            let crowd = try client.get("/crowd").body
            var letters = Set<UInt8>()
            for start in stride(from: 0, to: crowd.count, by: 200_000) {
                #expect(Set(crowd[start..<(start + 200_000)]).count == 1)
                letters.insert(crowd[start])
            }
            #expect(letters.count == 26)
            #expect(try client.get("/hello").text == "hello")
        }
    }

    /// A stream that fails must not look finished.
    @Test func cutsFailedStreams() async throws {
        try await withServer(configure: { configuration in
            configuration.router.add("GET", "/broken") { _ in
                .events { writer in
                    try await writer.write("some")
                    throw CocoaError(.featureUnsupported)
                }
            }
        }) { server, journal in
            let client = try RawClient(port: server.port)
            client.send("GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try client.readHead()
            #expect(try client.readChunk() == Array("some".utf8))
            #expect(client.isClosed())
            #expect(await eventually { journal.finished.first?.isComplete == false })
        }
    }
}
