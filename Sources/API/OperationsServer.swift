import HTTP
import Logging
import Serving

/// What machines ask that look after a worker, which takes no jobs from clients.
package struct OperationsServer: Sendable {
    private let engine: Engine
    private let logger: Logger

    package init(engine: Engine, logger: Logger) {
        (self.engine, self.logger) = (engine, logger)
    }

    /// Binds and begins to serve.
    /// - Throws: `HTTPError.cannotListen`.
    package func start(host: String, port: UInt16) async throws(HTTPError) -> HTTPServer {
        let operations = Operations(engine: engine)
        var router = Router()
        operations.register(in: &router)
        var configuration = HTTPServer.Configuration(router: router, logger: logger)
        configuration.errorResponse = { error, _ in APIError(error).response }
        configuration.onExchange = { operations.count($0) }
        return try await HTTPServer.start(host: host, port: port, configuration: configuration)
    }
}
