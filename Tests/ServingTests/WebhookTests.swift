import Foundation
import GRDB
import HTTP
import Jobs
import Serving
import Support
import Synchronization
import Testing

/// The ends of jobs, told to a server that this test runs.
@Suite(.timeLimit(.minutes(5)))
struct WebhookTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Answers with the statuses it is given, the last of them for ever, and keeps what it got.
    final class Receiver: Sendable {
        struct Delivery: Sendable {
            let headers: HTTPHeaders
            let body: [UInt8]
            let status: Int

            var event: JSON { (try? JSON(parsing: body)) ?? .null }
            var job: String { event["data"]?["id"]?.string ?? "" }
        }

        let state: Mutex<(statuses: [Int], deliveries: [Delivery])>
        private let server = Mutex<HTTPServer?>(nil)

        init(_ statuses: Int...) { state = Mutex((statuses, [])) }

        /// - Returns: the address.
        func start(port: UInt16 = 0) async throws -> String {
            var router = Router()
            router.add("POST", "/hook") { [self] request in
                let status = state.withLock { state in
                    let status = state.statuses.count > 1 ? state.statuses.removeFirst() : state.statuses[0]
                    state.deliveries.append(Delivery(headers: request.headers, body: request.body, status: status))
                    return status
                }
                return HTTPResponse(status: status)
            }
            let started = try await HTTPServer.start(port: port, configuration: .init(router: router))
            server.withLock { $0 = started }
            return "http://127.0.0.1:\(started.port)/hook"
        }

        func stop() async {
            let running = server.withLock { server in
                defer { server = nil }
                return server
            }
            await running?.stop()
        }

        var deliveries: [Delivery] { state.withLock { $0.deliveries } }

        func wait(for count: Int) async throws -> [Delivery] {
            while deliveries.count < count { try await Task.sleep(for: .milliseconds(5)) }
            return deliveries
        }
    }

    private func waiting() throws -> Int {
        var configuration = Configuration()
        configuration.readonly = true
        let database = try DatabaseQueue(path: scratch("state/jobs.sqlite"), configuration: configuration)
        return try database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM notice") ?? -1 }
    }

    private func isEmptied() async throws -> Bool {
        for _ in 0..<2000 {
            if try waiting() == 0 { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    // MARK: What is told

    @Test func theEndOfEachJobIsToldOnceWithItsSignature() async throws {
        let receiver = Receiver(204)
        let url = try await receiver.start()
        let engine = try scratch.engine(AnalyticModel()) { $0.webhooks.urls = [url] }
        let done = try await engine.run(.image())
        let failed = try await engine.run(.video(AnalyticModel.poison))
        let told = try await receiver.wait(for: 2)
        #expect(try await isEmptied())
        #expect(told.map(\.job) == [done.id, failed.id])
        #expect(told.map { $0.event["type"]?.string } == ["job.succeeded", "job.failed"])
        #expect(told.map { $0.event["data"]?["kind"]?.string } == ["image", "video"])
        let secret = try String(contentsOfFile: scratch("state/webhook-secret"), encoding: .utf8)
        var status = stat()
        #expect(stat(scratch("state/webhook-secret"), &status) == 0 && status.st_mode & 0o777 == 0o600)
        let key = try #require(Data(base64Encoded: String(secret.dropFirst(6).dropLast())))
        for delivery in told {
            let id = try #require(delivery.headers["webhook-id"])
            let time = try #require(delivery.headers["webhook-timestamp"])
            #expect(id == delivery.event["id"]?.string && id.hasPrefix("evt_"))
            #expect(abs(Date().timeIntervalSince1970 - (Double(time) ?? 0)) < 300)
            // OpenSSL signs the same text with the same key.
            let text = scratch("signed")
            try (Data("\(id).\(time).".utf8) + Data(delivery.body)).write(to: URL(filePath: text))
            let hexadecimal = key.map { String(format: "%02x", $0) }.joined()
            let code = try output(
                "openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:\(hexadecimal)", "-binary", text)
            #expect(delivery.headers["webhook-signature"] == "v1," + code.base64EncodedString())
        }
        #expect(await engine.renderMetrics().contains("phasor_webhook_attempts_total{result=\"delivered\"} 2\n"))
        #expect(await engine.renderMetrics().contains("phasor_webhook_waiting 0\n"))
        await engine.drain(within: 10)
        await receiver.stop()
    }

    @Test func aCancelledJobIsToldWhetherItWaitedOrRan() async throws {
        let receiver = Receiver(200)
        let url = try await receiver.start()
        let gate = Gate(at: "text")
        let engine = try scratch.engine(AnalyticModel(gate: gate)) {
            ($0.webhooks.urls, $0.activeRuns) = ([url], 1)
        }
        let running = try await engine.submit(.image(seed: 1))
        try await gate.arrival()
        let queued = try await engine.submit(.image(seed: 2))
        try await engine.cancel(queued.id)
        try await engine.cancel(running.id)
        gate.open()
        let told = try await receiver.wait(for: 2)
        #expect(Set(told.map(\.job)) == [running.id, queued.id])
        #expect(told.allSatisfy { $0.event["type"]?.string == "job.cancelled" })
        // A deleted job is told as well: it was cancelled before.
        _ = try await engine.end(of: running.id)
        #expect(try await isEmptied())
        #expect(receiver.deliveries.count == 2)
        await engine.drain(within: 10)
        await receiver.stop()
    }

    // MARK: What goes wrong

    @Test func aRefusedNoticeComesAgainWithTheSameIdAndBody() async throws {
        let receiver = Receiver(500, 302, 200)
        let url = try await receiver.start()
        let engine = try scratch.engine(AnalyticModel()) { $0.webhooks.urls = [url] }
        _ = try await engine.run(.image())
        let told = try await receiver.wait(for: 3)
        #expect(try await isEmptied())
        #expect(told.map(\.status) == [500, 302, 200])
        #expect(Set(told.map(\.body)).count == 1)
        #expect(Set(told.compactMap { $0.headers["webhook-id"] }).count == 1)
        #expect(await engine.renderMetrics().contains("phasor_webhook_attempts_total{result=\"failed\"} 2\n"))
        await engine.drain(within: 10)
        await receiver.stop()
    }

    /// Nobody listens while jobs end, and the engine stops. The next engine tells of all, also of one that was cancelled
    /// in between by the shell.
    @Test func noticesSurviveARestart() async throws {
        let receiver = Receiver(200)
        let url = try await receiver.start()
        let port = try #require(URL(string: url)?.port)
        await receiver.stop()
        let gate = Gate(at: "text")
        let engine = try scratch.engine(AnalyticModel()) { $0.webhooks.urls = [url] }
        let done = try await engine.run(.image())
        await engine.drain(within: 10)
        #expect(try waiting() == 1)
        let other = try scratch.engine(AnalyticModel(gate: gate)) {
            ($0.webhooks.urls, $0.activeRuns) = ([url], 1)
        }
        _ = try await other.submit(.image("first", seed: 2))
        try await gate.arrival()
        let queued = try await other.submit(.image("second", seed: 3))
        async let drained: Void = other.drain(within: 0)
        while other.readiness == .ready { try await Task.sleep(for: .milliseconds(1)) }
        gate.open()
        await drained
        let store = try JobArchive.store(of: scratch("state"), logger: .init(label: "test"))
        #expect(try await store.cancel(store.job(queued.id), at: Date()))
        store.release()

        _ = try await receiver.start(port: UInt16(port))
        let next = try scratch.engine(AnalyticModel()) { $0.webhooks.urls = [url] }
        let told = try await receiver.wait(for: 3)
        #expect(try await isEmptied())
        let states = Dictionary(told.map { ($0.job, $0.event["data"]?["state"]?.string) }, uniquingKeysWith: { $1 })
        #expect(told.count == 3 && states.count == 3)
        #expect(states[done.id] == "succeeded" && states[queued.id] == "cancelled")
        await next.drain(within: 10)
        await receiver.stop()
    }

    /// One receiver that is not there keeps nothing from another.
    @Test func receiversDoNotWaitForEachOther() async throws {
        let receiver = Receiver(200)
        let urls = ["http://127.0.0.1:1/hook", try await receiver.start()]
        let engine = try scratch.engine(AnalyticModel()) { $0.webhooks.urls = urls }
        for seed in 1...3 { _ = try await engine.run(.image(seed: UInt64(seed))) }
        #expect(try await receiver.wait(for: 3).count == 3)
        await engine.drain(within: 10)
        #expect(try waiting() == 3)
        // Who is not set any more is not told any more.
        let next = try scratch.engine(AnalyticModel()) { $0.webhooks.urls = [urls[1]] }
        #expect(try waiting() == 0)
        await next.drain(within: 10)
        await receiver.stop()
    }

    @Test func withoutWebhooksNothingIsKept() async throws {
        let engine = try scratch.engine(AnalyticModel())
        _ = try await engine.run(.image())
        #expect(try waiting() == 0)
        #expect(access(scratch("state/webhook-secret"), F_OK) != 0)
        #expect(await !engine.renderMetrics().contains("phasor_webhook"))
    }

    @Test(arguments: ["", "whsec_", "whsec_AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="])
    func aSecretOfAnotherFormIsRefused(text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: scratch("secret")))
        let fault = #expect(throws: (any Error).self) {
            try scratch.engine(AnalyticModel()) {
                ($0.webhooks.urls, $0.webhooks.secretFile) = (["http://127.0.0.1:1/"], scratch("secret"))
            }
        }
        #expect("\(fault.map { "\($0)" } ?? "")".contains(scratch("secret")))
        // The folder is free again.
        _ = try scratch.engine(AnalyticModel())
    }

    @Test(arguments: [
        ("http://a.example", true), ("https://a.example:8443/x?y=1", true), ("ftp://a.example", false),
        ("a.example", false),
        ("http://", false), ("https://user:pass@a.example", false), ("https://user@a.example", false),
        ("http://a.example/ x", false), ("", false),
    ])
    func whatIsAnAddress(text: String, isAddress: Bool) { #expect(WebhookOptions.isAddress(text) == isAddress) }
}
