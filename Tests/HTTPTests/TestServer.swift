import Dispatch
import Foundation
import HTTP
import Synchronization

/// What the handlers of a test saw, told from any task.
final class Journal: Sendable {
    private let entries = Mutex<[String]>([])
    private let exchanges = Mutex<[HTTPExchange]>([])

    var all: [String] { entries.withLock { $0 } }
    var finished: [HTTPExchange] { exchanges.withLock { $0 } }

    func note(_ entry: String) { entries.withLock { $0.append(entry) } }
    func note(_ exchange: HTTPExchange) { exchanges.withLock { $0.append(exchange) } }

    /// Waits until the entry is there.
    func has(_ entry: String, within seconds: Double = RawClient.patience) async -> Bool {
        await eventually(within: seconds) { self.all.contains(entry) }
    }
}

/// The clients of these tests block, and must not do so on the threads that the server runs on. A serial queue gets a
/// thread besides those; a concurrent one would take them from the same few that Swift's tasks share.
final class ClientThread: TaskExecutor {
    private let queue = DispatchQueue(label: "client")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

func eventually(within seconds: Double = RawClient.patience, _ condition: () -> Bool) async -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return condition()
}

/// Answers a few simple routes, with errors in the shape the API uses.
func withServer<T: Sendable>(
    limits: (inout HTTPLimits) -> Void = { _ in }, host: String = "127.0.0.1",
    configure: (inout HTTPServer.Configuration) -> Void = { _ in },
    _ body: (HTTPServer, Journal) async throws -> T
) async throws -> T {
    let journal = Journal()
    var router = Router()
    router.add("GET", "/hello") { _ in .text("hello") }
    router.add("GET", "/v1/videos/{id}") { request in .text("video \(request.parameters["id"] ?? "")") }
    router.add("DELETE", "/v1/videos/{id}") { request in .text("deleted \(request.parameters["id"] ?? "")") }
    router.add("POST", "/echo") { request in HTTPResponse(body: .bytes(request.body)) }
    router.add("POST", "/small", bodyLimit: 10) { request in
        journal.note("small \(request.body.count)")
        return .text("\(request.body.count)")
    }
    router.add("POST", "/upload", bodyLimit: 64 << 20) { request in .text("\(request.body.count)") }
    router.add("GET", "/slow") { _ in
        journal.note("slow began")
        do {
            try await Task.sleep(for: .seconds(100))
        } catch {
            journal.note("slow cancelled")
            throw error
        }
        return .text("slow")
    }
    router.add("GET", "/pause") { _ in
        journal.note("pause began")
        while !journal.all.contains("go on") { try await Task.sleep(for: .milliseconds(5)) }
        return .text("paused")
    }
    router.add("GET", "/soon") { _ in
        try await Task.sleep(for: .milliseconds(20))
        return .text("soon")
    }
    router.add("GET", "/fail") { _ in throw CocoaError(.featureUnsupported) }
    router.add("GET", "/large") { _ in HTTPResponse(body: .bytes([UInt8](repeating: 0x61, count: 64 << 20))) }
    router.add("GET", "/events") { _ in
        .events { writer in
            do {
                for number in 0..<1000 {
                    try await writer.write(ServerSentEvent(event: "tick", id: "\(number)", data: "a\nb"))
                    journal.note("event \(number)")
                    try await Task.sleep(for: .milliseconds(20))
                }
            } catch {
                journal.note("events ended")
                throw error
            }
        }
    }
    var configuration = HTTPServer.Configuration(router: router)
    configuration.logger.logLevel = .critical
    configuration.onExchange = { journal.note($0) }
    configuration.errorResponse = { error, _ in
        let refusal = error as? HTTPError
        let body = "{\"error\":{\"message\":\"\(refusal?.description ?? "failed")\"}}"
        return .json(Data(body.utf8), status: refusal?.status ?? 500)
    }
    limits(&configuration.limits)
    configure(&configuration)
    let server = try await HTTPServer.start(host: host, port: 0, configuration: configuration)
    do {
        let result = try await withTaskExecutorPreference(ClientThread()) {
            try await body(server, journal)
        }
        await server.stop()
        return result
    } catch {
        await server.stop()
        throw error
    }
}
