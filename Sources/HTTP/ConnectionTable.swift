import Synchronization

/// The open connections of a server, for its clock, its limits and its end.
final class ConnectionTable: Sendable {
    private struct State {
        var open: [ObjectIdentifier: Connection] = [:]
        var isFinished = false
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.open.count } }

    var all: [Connection] { state.withLock { Array($0.open.values) } }

    /// Whether the last connection has been closed and no more will come.
    var isFinished: Bool { state.withLock { $0.isFinished } }

    var longestIdle: Connection? {
        all.compactMap { connection in connection.idleDeadline.map { ($0, connection) } }
            .min { $0.0 < $1.0 }?.1
    }

    /// Returns how many there are with it.
    func insert(_ connection: Connection) -> Int {
        state.withLock { state in
            state.open[ObjectIdentifier(connection)] = connection
            return state.open.count
        }
    }

    func remove(_ connection: Connection) {
        state.withLock { $0.open[ObjectIdentifier(connection)] = nil }
    }

    func finish() {
        state.withLock { $0.isFinished = true }
    }
}
