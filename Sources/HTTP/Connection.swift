import FlyingSocks
import Glibc
import Synchronization

/// One accepted socket: reads, writes and waits, each under a deadline, and knows no HTTP.
///
/// A deadline is a time in shared state that the server's clock looks at; when it has passed, the socket is shut down
/// for reading or for both, which wakes whoever waits on it. Nothing is ever closed while somebody waits: the epoll
/// queue would keep a stale registration for the number, and the next socket to get it would never be woken.
final class Connection: Sendable {
    /// What the connection is waiting for.
    enum Wait: Sendable, Equatable {
        case idle, header, body, write, linger
    }

    enum End: Error, Equatable {
        /// The peer closed or reset, or the server gave up on it, or the task was cancelled.
        case gone
        case expired(Wait)
    }

    private struct State {
        var wait: Wait?
        var deadline: ContinuousClock.Instant?
        /// When the wait began, or last got on by a good piece.
        var since: ContinuousClock.Instant?
        var expired: Wait?
        var isClosed = false
    }

    /// The peer's address without the port.
    let remote: String
    private let socket: Socket
    private let readiness: Readiness
    private let state = Mutex(State())

    private var descriptor: Int32 { socket.file.rawValue }

    /// Takes over an accepted, non-blocking descriptor.
    init(descriptor: Int32, remote: String, readiness: Readiness) {
        socket = Socket(file: .init(rawValue: descriptor))
        self.remote = remote
        self.readiness = readiness
        // Without it, Nagle and the peer's delayed acknowledgement cost 40 ms for each answer.
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        // The kernel would else take up to 4 MB for each client, and say that it can take more only when a third of
        // that has gone: a slow reader's progress would look like a stall.
        var unsent: Int32 = 128 << 10
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &unsent, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The number of its descriptor.
    var number: Int { Int(descriptor) }

    // MARK: Deadlines

    /// Starts a wait that must end within `limit`; replaces the one before.
    /// - Parameter hasProgressed: false for one that only goes on.
    func begin(_ wait: Wait, limit: Duration, hasProgressed: Bool = true) {
        let now = ContinuousClock.now
        state.withLock { state in
            if hasProgressed || state.wait != wait { state.since = now }
            state.wait = wait
            state.deadline = now + limit
        }
    }

    /// Ends the current wait: no deadline runs.
    func endWait() {
        state.withLock { state in
            state.wait = nil
            state.deadline = nil
            state.since = nil
        }
    }

    /// The server's clock calls this.
    func expire(at now: ContinuousClock.Instant) {
        state.withLock { state in
            guard !state.isClosed, let deadline = state.deadline, deadline <= now else { return }
            state.expired = state.wait
            state.deadline = nil
            shutdown(descriptor, Int32(state.wait == .write ? SHUT_RDWR : SHUT_RD))
        }
    }

    /// What the client keeps the connection waiting for, and since when; nil while it is the server's turn.
    var clientsTurn: (wait: Wait, since: ContinuousClock.Instant)? {
        state.withLock { state in
            guard !state.isClosed, state.expired == nil, let wait = state.wait, let since = state.since else {
                return nil
            }
            return [.idle, .header, .body].contains(wait) ? (wait, since) : nil
        }
    }

    /// Ends a wait for the client as if its time were up.
    func evict() {
        state.withLock { state in
            guard !state.isClosed, let wait = state.wait, [.idle, .header, .body].contains(wait) else { return }
            state.expired = wait
            state.deadline = nil
            shutdown(descriptor, Int32(SHUT_RD))
        }
    }

    /// Ends the connection if it is between requests or after its last.
    func closeIfIdle() {
        state.withLock { state in
            guard !state.isClosed, state.wait == .idle || state.wait == .linger else { return }
            shutdown(descriptor, Int32(SHUT_RD))
        }
    }

    // MARK: Reading

    /// Waits for bytes and gives them to `take`. Returns false at the end of what the peer sends.
    func receive(_ take: (UnsafeRawBufferPointer) -> Void) async throws(End) -> Bool {
        while true {
            switch receiveNow(take) {
            case .bytes: return true
            case .end:
                if let wait = state.withLock({ $0.expired }) { throw .expired(wait) }
                return false
            case .failed: throw .gone
            case .nothing: try await suspend(until: .read)
            }
        }
    }

    private enum Received {
        case bytes, nothing, end, failed
    }

    private func receiveNow(_ take: (UnsafeRawBufferPointer) -> Void) -> Received {
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
            while true {
                let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
                if count > 0 {
                    take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                    return .bytes
                }
                if count == 0 { return .end }
                if errno == EAGAIN { return .nothing }
                if errno != EINTR { return .failed }
            }
        }
    }

    /// Looks out for the peer's leaving while its request is being worked on. Returns when the peer has left, or when
    /// the task is cancelled, with the bytes that came meanwhile: those of pipelined requests.
    func watch(grace: Duration, capacity: Int) async -> (early: [UInt8], left: Bool) {
        var early: [UInt8] = []
        while !Task.isCancelled {
            guard early.count < capacity else {
                // A flood of pipelined bytes stays in the kernel, and hides a FIN behind it; look for that by the clock.
                try? await Task.sleep(for: .milliseconds(100))
                if hasHungUp { return (early, !Task.isCancelled) }
                continue
            }
            do {
                try await suspend(until: .read)
            } catch {
                return (early, !Task.isCancelled)
            }
            switch receiveNow({ early.append(contentsOf: $0) }) {
            case .bytes, .nothing: continue
            case .failed: return (early, true)
            case .end:
                try? await Task.sleep(for: grace)
                return (early, !Task.isCancelled)
            }
        }
        return (early, false)
    }

    private var hasHungUp: Bool {
        let readHangUp: Int16 = 0x2000  // POLLRDHUP, which Glibc's module hides behind _GNU_SOURCE
        var entry = pollfd(fd: descriptor, events: readHangUp, revents: 0)
        return poll(&entry, 1, 0) > 0 && entry.revents != 0
    }

    // MARK: Writing

    /// Sends all of `bytes`, or throws `.gone`; waits while the peer does not read, but no longer than `stall` for
    /// each step. With `more`, the kernel may hold the bytes back to send them with what follows.
    func send(_ bytes: [UInt8], more: Bool = false, stall: Duration) async throws(End) {
        var sent = 0
        // A peer that is gone must not raise SIGPIPE.
        let flags = Int32(MSG_NOSIGNAL) | (more ? Int32(MSG_MORE) : 0)
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                let count = Glibc.send(descriptor, rest.baseAddress, rest.count, flags)
                return count < 0 ? -Int(errno) : count
            }
            if count >= 0 {
                sent += count
            } else if count == -Int(EAGAIN) {
                begin(.write, limit: stall)
                defer { endWait() }
                try await suspend(until: .write)
            } else if count != -Int(EINTR) {
                throw .gone
            }
        }
    }

    private func suspend(until events: Socket.Events) async throws(End) {
        do {
            try await readiness.wait(for: events, on: socket)
        } catch {
            throw .gone
        }
    }

    // MARK: Closing

    /// Sends a FIN, then drops what still comes until the peer closes too, so that no reset overtakes the last answer.
    func linger(limit: Duration, bytes: Int = 64 << 20) async {
        begin(.linger, limit: limit)
        shutdown(descriptor, Int32(SHUT_WR))
        var dropped = 0
        while dropped < bytes, (try? await receive { dropped += $0.count }) == true {}
    }

    /// Must be the last call, when no other task waits on this connection.
    func close() {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.isClosed = true
            if state.expired == .write {
                // The peer does not read: do not let the kernel keep megabytes for it.
                var abort = Glibc.linger(l_onoff: 1, l_linger: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<Glibc.linger>.size))
            }
            _ = Glibc.close(descriptor)
        }
    }
}
