import API
import Foundation
import HTTP
import Jobs
import Logging
import Pipelines
import Serving

/// A whole server on a free port, with the fake model and a state folder of its own.
struct TestServer {
    let client: Client
    let engine: Engine
    let pace: FakeModel.Pace
    let router: Router
    let api: APIServer

    static func run<T: Sendable>(
        pace seconds: Double = 0, model: Pipeline? = nil,
        configure: (inout APIServer.Options) throws -> Void = { _ in },
        state change: (inout EngineOptions) -> Void = { _ in }, _ body: (TestServer) async throws -> T
    ) async throws -> T {
        let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-api-\(UUID())").path
        var state = EngineOptions(stateFolder: folder)
        change(&state)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let pace = FakeModel.Pace(seconds)
        let engine = try Engine(models: [model ?? FakeModel.pipeline(pace: pace)], options: state, logger: logger)
        var options = APIServer.Options()
        options.heartbeat = .milliseconds(50)
        try configure(&options)
        let api = APIServer(engine: engine, options: options, logger: logger)
        let server = try await api.start(host: "127.0.0.1", port: 0)
        let test = TestServer(
            client: Client(port: server.port), engine: engine, pace: pace, router: api.router, api: api)
        let result: Result<T, any Error>
        do {
            result = .success(try await body(test))
        } catch {
            result = .failure(error)
        }
        await server.stop()
        pace.value = 0
        await engine.drain(within: 5)
        return try result.get()
    }

    /// Waits until the job is in that state.
    func reaches(_ state: Job.State, _ id: String) async throws -> Bool {
        try await eventually { try await engine.job(id).state == state }
    }

    /// The jobs, newest first.
    func jobs() async throws -> [Job] { try await engine.jobs().jobs }
}

func eventually(within seconds: Double = 20, _ condition: () async throws -> Bool) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
    }
    return try await condition()
}
