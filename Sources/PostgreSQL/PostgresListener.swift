import Foundation
import Synchronization

/// Hears what is notified on channels, on a thread and a direct connection of its own. PgBouncer between the two must be in
/// session mode. A lost connection is opened again; what was notified meanwhile is lost, so whoever listens looks for
/// himself after each `.connected`, and now and then besides.
package final class PostgresListener: Sendable {
    package enum Event: Sendable, Equatable {
        /// The channels are heard from now on.
        case connected
        case notified(channel: String, payload: String)
        /// The connection broke or cannot be opened; it is tried again.
        case lost(PostgresFault)
    }

    private let address: PostgresAddress
    private let channels: [String]
    private let tell: @Sendable (Event) -> Void
    /// A pipe whose first end is readable once the listener is to stop.
    private let stopping: (read: Int32, write: Int32)
    private let isStopped = Atomic(false)

    /// Seconds of silence after which the server is asked whether it is there.
    private static let silence = 30.0
    private static let longestPause = 5.0

    /// - Parameters:
    ///   - channels: plain lower-case names.
    ///   - tell: is called on the listener's thread.
    package init(_ address: PostgresAddress, channels: [String], tell: @escaping @Sendable (Event) -> Void) {
        self.address = address
        self.channels = channels
        self.tell = tell
        var ends: [Int32] = [-1, -1]
        // Without a pipe a stop takes until the present wait is over.
        if pipe(&ends) == 0 { for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) } }
        stopping = (ends[0], ends[1])
    }

    deinit {
        close(stopping.read)
        close(stopping.write)
    }

    package func start() {
        let thread = Thread { [self] in serve() }
        thread.name = "phasor.listen"
        thread.start()
    }

    /// Ends the thread soon.
    package func stop() {
        isStopped.store(true, ordering: .releasing)
        var byte: UInt8 = 1
        _ = write(stopping.write, &byte, 1)
    }

    private func serve() {
        var pause = 0.25
        while !isStopped.load(ordering: .acquiring) {
            let connection = PostgresConnection(address, statementTimeout: 10)
            do throws(PostgresFault) {
                for channel in channels { try connection.execute("LISTEN \(channel)") }
                tell(.connected)
                pause = 0.25
                try listen(connection)
            } catch {
                tell(.lost(error))
                wait(for: nil, seconds: pause * Double.random(in: 0.75...1.25))
                pause = min(pause * 2, Self.longestPause)
            }
            connection.close()
        }
    }

    private func listen(_ connection: PostgresConnection) throws(PostgresFault) {
        while !isStopped.load(ordering: .acquiring) {
            if !wait(for: connection.socket, seconds: Self.silence) { try connection.execute("SELECT 1") }
            for (channel, payload) in try connection.notifications() {
                tell(.notified(channel: channel, payload: payload))
            }
        }
    }

    /// - Returns: whether there is something to read, before the time is over.
    @discardableResult
    private func wait(for socket: Int32?, seconds: Double) -> Bool {
        var places = [pollfd(fd: stopping.read, events: Int16(POLLIN), revents: 0)]
        if let socket { places.append(pollfd(fd: socket, events: Int16(POLLIN), revents: 0)) }
        let count = poll(&places, nfds_t(places.count), Int32(seconds * 1000))
        return count > 0
    }
}
