import Benchmarks
import Foundation
import HTTP
import Synchronization
import Testing

/// Against a server of the image API that takes one request at a time, 30 ms each, and fails every fifth.
@Suite(.serialized) struct LoadBenchmarkTests {
    private static let answer =
        #"{"data": [{"b64_json": "iVBORw0KGgo="}]}"#

    /// What the server saw.
    private final class Seen: Sendable {
        let bodies = Mutex<[[String: String]]>([])
        let keys = Mutex<Set<String>>([])
    }

    private actor OneAtATime {
        private var count = 0
        private var last: Task<Void, any Error>?

        /// - Returns: the number of the request, once it is done.
        func work() async throws -> Int {
            count += 1
            let number = count
            let before = last
            let task = Task {
                _ = await before?.result
                try await Task.sleep(for: .milliseconds(30))
            }
            last = task
            try await task.value
            return number
        }
    }

    private func withServer<T>(
        host: String = "127.0.0.1", _ body: (String, Seen) async throws -> T
    ) async throws -> T {
        let seen = Seen()
        let worker = OneAtATime()
        var router = Router()
        router.add("GET", "/v1/models") { _ in .json(Data(#"{"data": [{"id": "grey"}, {"id": "other"}]}"#.utf8)) }
        router.add("POST", "/v1/images/generations") { request in
            let body = (try? JSONSerialization.jsonObject(with: Data(request.body))) as? [String: Any]
            seen.bodies.withLock { $0.append((body ?? [:]).mapValues { "\($0)" }) }
            if let key = request.headers["Authorization"] { seen.keys.withLock { _ = $0.insert(key) } }
            let number = try await worker.work()
            guard number % 5 > 0 else { return .json(Data(#"{"error": {"message": "told to"}}"#.utf8), status: 503) }
            return .json(Data(Self.answer.utf8))
        }
        router.add("POST", "/odd/v1/images/generations") { _ in .json(Data(#"{"data": []}"#.utf8)) }
        let server = try await HTTPServer.start(host: host, port: 0, configuration: .init(router: router))
        do {
            let result = try await body("http://\(host.contains(":") ? "[\(host)]" : host):\(server.port)", seen)
            await server.stop()
            return result
        } catch {
            await server.stop()
            throw error
        }
    }

    private func run(
        _ url: String, _ load: LoadBenchmark.Load, requests: Int, key: String? = nil
    ) async throws -> LoadBenchmark.Report {
        let server = try #require(ImageServer(url: url, key: key, connections: 64, timeout: 20))
        let benchmark = LoadBenchmark(
            server: server, load: load, requests: requests, prompts: ["one", "two"], size: "64x64",
            model: await server.firstModel())
        return await benchmark.run(url: url) { _, _ in }
    }

    @Test func `Clients that wait for their answers share what the server can do`() async throws {
        try await withServer { url, seen in
            // Three answers before, which do not count.
            let report = try await run("\(url)/v1/", .closed(clients: 3), requests: 27, key: "secret")
            #expect(report.model == "grey" && report.requests == 27)
            #expect(report.errors == ["HTTP 503: told to": 6] && report.succeeded == 21)
            // One at a time: each waits for two others.
            let latency = try #require(report.latency)
            #expect(latency.minimum >= 0.03 && latency.median >= 0.08)
            #expect(report.seconds >= 27 * 0.03 && report.picturesPerSecond <= 1 / 0.03)
            #expect(report.pictureBytes == 8)
            let bodies = seen.bodies.withLock { $0 }
            #expect(bodies.count == 30)
            #expect(Set(bodies.map { $0["prompt"] }) == ["one", "two"])
            #expect(bodies.allSatisfy { $0["model"] == "grey" && $0["size"] == "64x64" && $0["n"] == "1" })
            #expect(seen.keys.withLock { $0 } == ["Bearer secret"])
        }
    }

    /// The address as `phasor serve --host ::1` prints it.
    @Test func `IPv6 addresses are asked as well`() async throws {
        try await withServer(host: "::1") { url, seen in
            let report = try await run("\(url)/v1", .closed(clients: 2), requests: 8, key: "secret")
            #expect(report.model == "grey" && report.succeeded == 6 && report.errors == ["HTTP 503: told to": 2])
            #expect(seen.bodies.withLock { $0.allSatisfy { $0["size"] == "64x64" } })
            #expect(seen.keys.withLock { $0 } == ["Bearer secret"])
        }
        let nowhere = try await run("http://[::1]:1", .closed(clients: 1), requests: 2)
        #expect(nowhere.succeeded == 0 && nowhere.errors.keys.contains { $0.contains("refused") })
    }

    @Test func `Requests that are due wait in line, and their wait counts`() async throws {
        try await withServer { url, _ in
            // Twice what the server can do: the last ones wait for half of all.
            let report = try await run(url, .open(perSecond: 66), requests: 30)
            #expect(report.loop == "open" && report.requests == 30 && report.clients == nil)
            let latency = try #require(report.latency)
            #expect(latency.p95 >= 0.2 && latency.p95 > 2 * latency.minimum)
        }
    }

    @Test func `What is no server, or no picture, is an error and no latency`() async throws {
        let nowhere = try await run("http://127.0.0.1:1", .closed(clients: 1), requests: 2)
        #expect(nowhere.succeeded == 0 && nowhere.errors.values.reduce(0, +) == 2 && nowhere.latency == nil)
        try await withServer { url, _ in
            let odd = try await run("\(url)/odd", .closed(clients: 1), requests: 2)
            #expect(odd.errors == ["the answer has no data[0].b64_json": 2])
        }
        #expect(ImageServer(url: "here", key: nil, connections: 1, timeout: 1) == nil)
        #expect(ImageServer(url: "ftp://a", key: nil, connections: 1, timeout: 1) == nil)
    }
}
