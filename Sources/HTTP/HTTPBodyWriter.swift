import Synchronization

/// Where the producer of a streamed answer puts its bytes.
///
/// A write returns once the kernel has taken the bytes, so a client that reads slowly slows its producer down and
/// nothing piles up. Writes from several tasks take turns; each arrives whole.
package final class HTTPBodyWriter: Sendable {
    private struct Turn {
        var isTaken = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let connection: Connection
    private let isChunked: Bool
    private let stall: Duration
    private let turn = Mutex(Turn())
    private let sent = Atomic<Int>(0)
    private let hasFailed = Atomic<Bool>(false)

    init(connection: Connection, isChunked: Bool, stall: Duration) {
        self.connection = connection
        self.isChunked = isChunked
        self.stall = stall
    }

    /// Bytes of body handed over so far.
    var bytesSent: Int { sent.load(ordering: .relaxed) }

    /// Throws `HTTPError.clientGone` when the client has closed its connection or has not read for too long, and when
    /// the producer's task is cancelled.
    package func write(_ bytes: [UInt8]) async throws(HTTPError) {
        guard !bytes.isEmpty else { return }  // an empty chunk would end the body
        var frame = bytes
        if isChunked {
            frame = Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + [0x0D, 0x0A]
        }
        try await send(frame)
        sent.add(bytes.count, ordering: .relaxed)
    }

    package func write(_ text: String) async throws(HTTPError) {
        try await write(Array(text.utf8))
    }

    package func write(_ event: ServerSentEvent) async throws(HTTPError) {
        try await write(event.encoded)
    }

    /// Runs `body` and meanwhile writes a comment to the event stream in each `interval`, so that proxies keep a quiet
    /// stream open and a client that vanished is found.
    package func withHeartbeats(
        every interval: Duration, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: interval)
                    try await self.write(ServerSentEvent.comment("keep-alive"))
                }
            }
            group.addTask {
                try await body()
                return true
            }
            defer { group.cancelAll() }
            _ = try await group.next()
        }
    }

    /// The last chunk, which tells the client that it has all.
    func finish() async throws(HTTPError) {
        if isChunked { try await send(Array("0\r\n\r\n".utf8)) }
    }

    private func send(_ frame: [UInt8]) async throws(HTTPError) {
        await takeTurn()
        defer { passTurn() }
        guard !hasFailed.load(ordering: .relaxed), !Task.isCancelled else { throw .clientGone }
        do {
            try await connection.send(frame, stall: stall)
        } catch {
            // A frame may be half sent: nothing more can follow it.
            hasFailed.store(true, ordering: .relaxed)
            throw .clientGone
        }
    }

    private func takeTurn() async {
        await withCheckedContinuation { continuation in
            let isMine = turn.withLock { turn in
                if turn.isTaken { turn.waiters.append(continuation) }
                defer { turn.isTaken = true }
                return !turn.isTaken
            }
            if isMine { continuation.resume() }
        }
    }

    private func passTurn() {
        let next = turn.withLock { turn -> CheckedContinuation<Void, Never>? in
            guard !turn.waiters.isEmpty else {
                turn.isTaken = false
                return nil
            }
            return turn.waiters.removeFirst()
        }
        next?.resume()
    }
}
