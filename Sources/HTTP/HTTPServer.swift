import Foundation
import Logging
import Synchronization

/// An HTTP/1.1 server: listens, accepts within its limits, keeps the time, drains.
package final class HTTPServer: Sendable {
    package struct Configuration: Sendable {
        package var limits = HTTPLimits()
        package var router: Router
        /// nil: no answer carries a CORS field.
        package var cors: CORS?
        /// The server calls this with each routed request before it reads any of the body; what the closure throws is
        /// the answer. API keys are checked here, so a client without one cannot make the server hold its upload. The
        /// server does not ask for preflights.
        package var admit: (@Sendable (HTTPRequest) throws -> Void)?
        /// Makes the answer to whatever a handler, `admit` or the transport (`HTTPError`) threw. The request is nil
        /// when the bytes could not be read as one. The fields of `HTTPError.headers` are added.
        package var errorResponse: @Sendable (any Error, HTTPRequest?) -> HTTPResponse
        /// The connection's task calls this once for each finished exchange; the closure must return soon.
        package var onExchange: (@Sendable (HTTPExchange) -> Void)?
        package var logger: Logger

        package init(router: Router, logger: Logger = Logger(label: "http")) {
            self.router = router
            self.logger = logger
            errorResponse = { error, _ in
                let refusal = error as? HTTPError
                return .text(refusal?.description ?? "internal error", status: refusal?.status ?? 500)
            }
        }
    }

    /// Where the server listens: the port is the one bound to, also when 0 was asked for.
    package let host: String
    package let port: UInt16

    private let configuration: Configuration
    private let listener: Listener
    private let readiness: Readiness
    private let load = ServerLoad()
    private let connections: ConnectionTable
    private let serving = Mutex<Task<Void, Never>?>(nil)

    /// Binds and begins to serve. Throws `HTTPError.cannotListen`.
    /// - Parameters:
    ///   - host: an IPv4 or IPv6 address, or `localhost`.
    ///   - port: 0 for any free one.
    package static func start(
        host: String = "127.0.0.1", port: UInt16, configuration: Configuration
    ) async throws(HTTPError) -> HTTPServer {
        await DescriptorLimit.openTimers()
        let listener = try Listener(host: host, port: port)
        let readiness: Readiness
        do {
            readiness = try Readiness()
        } catch {
            listener.close()
            throw .cannotListen(host: host, port: port, reason: "\(error)")
        }
        let server = HTTPServer(configuration: configuration, listener: listener, readiness: readiness)
        server.run()
        return server
    }

    private init(configuration: Configuration, listener: Listener, readiness: Readiness) {
        self.configuration = configuration
        self.listener = listener
        self.readiness = readiness
        connections = ConnectionTable(limits: configuration.limits)
        (host, port) = (listener.host, listener.port)
    }

    /// Connections open now.
    package var connectionCount: Int { connections.count }

    package var isDraining: Bool { load.isDraining }

    // MARK: Ending

    /// Stops accepting, closes idle connections, lets running requests finish, and cancels those that are not done
    /// by the deadline (default: `limits.drain`). Returns whether all finished by themselves.
    @discardableResult
    package func drain(deadline: Duration? = nil) async -> Bool {
        load.drain()
        listener.wake()
        for connection in connections.all { connection.closeIfIdle() }
        let end = ContinuousClock.now + (deadline ?? configuration.limits.drain)
        while connections.count > 0, ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(10))
        }
        let finished = connections.count == 0
        await stop()
        return finished
    }

    /// Cancels everything at once. Handlers that do not heed their cancellation are waited for one second.
    package func stop() async {
        load.drain()
        listener.wake()
        serving.withLock { $0 }?.cancel()
        let end = ContinuousClock.now + .seconds(1)
        while !connections.isFinished, ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(5))
        }
        readiness.stop()
    }

    // MARK: Serving

    private func run() {
        let tick = configuration.limits.tick / .seconds(1)
        let clock = Thread { [connections] in
            while !connections.isFinished {
                Thread.sleep(forTimeInterval: tick)
                let now = ContinuousClock.now
                for connection in connections.all { connection.expire(at: now) }
            }
        }
        clock.name = "http-clock"
        clock.start()
        serving.withLock { serving in
            serving = Task(executorPreference: ServerThreads.shared) {
                await withDiscardingTaskGroup { group in
                    await self.accept(into: &group)
                }
                self.connections.finish()
            }
        }
    }

    private func accept(into group: inout DiscardingTaskGroup) async {
        defer { listener.close() }
        var failures = 0
        while !load.isDraining {
            do {
                let connection = try await listener.accept(readiness)
                failures = 0
                serve(connection, in: &group)
            } catch {
                guard !load.isDraining, !Task.isCancelled else { return }
                failures += 1
                if failures == 1 || failures.isMultiple(of: 100) {
                    configuration.logger.error("cannot accept, for the \(failures). time: \(error)")
                }
                // Out of descriptors, most likely: the one that was idle longest gives its own up.
                connections.closeLongestIdle()
                try? await Task.sleep(for: .milliseconds(min(500, 10 * failures)))
            }
        }
    }

    private func serve(_ connection: Connection, in group: inout DiscardingTaskGroup) {
        let place = connections.insert(connection)
        guard place != .dropped else { return connection.close() }
        group.addTask { [configuration, load, connections] in
            if case .refused(let reason) = place {
                await Conversation.refuse(connection, reason, configuration: configuration)
            } else {
                var conversation = Conversation(connection: connection, configuration: configuration, load: load)
                await conversation.run()
            }
            connection.close()
            connections.remove(connection)
        }
    }
}
