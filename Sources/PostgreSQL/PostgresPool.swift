import Dispatch
import Foundation
import Synchronization

/// A few connections that many threads and tasks share. Whoever comes when all are taken waits, first come first served.
package final class PostgresPool: Sendable {
    package let address: PostgresAddress
    private let size: Int
    private let statementTimeout: Double?
    private let queue = DispatchQueue(label: "phasor.postgres", attributes: .concurrent)

    private struct State {
        var idle: [PostgresConnection] = []
        /// Connections that are lent.
        var lent = 0
        var waiters: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())
    /// So often is a transaction done again that the server has undone because of others.
    private static let mostConflicts = 30

    /// Connects when a connection is first needed.
    /// - Parameter statementTimeout: seconds; nil for none.
    package init(_ address: PostgresAddress, size: Int = 8, statementTimeout: Double? = 30) {
        self.address = address
        self.size = max(1, size)
        self.statementTimeout = statementTimeout
    }

    // MARK: On the calling thread

    /// Does `body` with a connection; waits for one if need be.
    package func run<T>(_ body: (PostgresConnection) throws -> T) throws -> T {
        let ready = DispatchSemaphore(value: 0)
        reserve { ready.signal() }
        ready.wait()
        return try lend(body)
    }

    /// Does `body` in a transaction, and again if the server has undone it because of others.
    package func transaction<T>(_ body: (PostgresConnection) throws -> T) throws -> T {
        try run { try Self.transaction($0, body) }
    }

    // MARK: In a task

    /// Does `body` with a connection, on a thread of its own. A task that is cancelled still waits: whoever asked must know
    /// what was written.
    package func run<T: Sendable>(_ body: @escaping @Sendable (PostgresConnection) throws -> T) async throws -> T {
        let result: Result<T, any Error> = await withCheckedContinuation { continuation in
            reserve { [self] in
                queue.async { continuation.resume(returning: Result { try self.lend(body) }) }
            }
        }
        return try result.get()
    }

    package func transaction<T: Sendable>(
        _ body: @escaping @Sendable (PostgresConnection) throws -> T
    ) async throws -> T {
        try await run { try Self.transaction($0, body) }
    }

    /// Closes the connections that nobody uses.
    package func close() {
        let idle = state.withLock { state in
            defer { state.idle = [] }
            return state.idle
        }
        for connection in idle { connection.close() }
    }

    // MARK: Lending

    /// Calls `ready` once a connection may be taken.
    private func reserve(_ ready: @escaping @Sendable () -> Void) {
        let isFree = state.withLock { state in
            guard state.lent < size else {
                state.waiters.append(ready)
                return false
            }
            state.lent += 1
            return true
        }
        if isFree { ready() }
    }

    private func lend<T>(_ body: (PostgresConnection) throws -> T) throws -> T {
        let connection =
            state.withLock { $0.idle.popLast() } ?? PostgresConnection(address, statementTimeout: statementTimeout)
        // A server that went away meanwhile is told by the socket; then `body` begins with a new connection.
        if !connection.isConnected { connection.close() }
        defer {
            let next = state.withLock { state -> (@Sendable () -> Void)? in
                state.idle.append(connection)
                guard !state.waiters.isEmpty else {
                    state.lent -= 1
                    return nil
                }
                return state.waiters.removeFirst()
            }
            next?()
        }
        return try body(connection)
    }

    private static func transaction<T>(
        _ connection: PostgresConnection, _ body: (PostgresConnection) throws -> T
    ) throws -> T {
        var conflicts = 0
        while true {
            do {
                return try connection.transaction(body)
            } catch let fault as PostgresFault where fault.isConflict && conflicts < mostConflicts {
                conflicts += 1
                Thread.sleep(forTimeInterval: Double.random(in: 0...0.005) * Double(conflicts))
            }
        }
    }
}
