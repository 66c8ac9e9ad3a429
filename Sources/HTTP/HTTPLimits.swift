/// Every number that bounds what a client can make the server hold, read or wait for.
///
/// The defaults are those of the public interface; each is a field so that a flag or a test can set it.
package struct HTTPLimits: Sendable {
    /// Connections served at once; one more is answered with 503 and closed.
    package var connections = 1024
    /// How many of these connections one address may hold (for IPv6: one network of 64 bits). With nil an address may
    /// hold half of them, and this machine itself any number, because a proxy on it may speak for many clients.
    package var connectionsPerAddress: Int?
    /// How many of the process's descriptors are kept for what is no connection. The server answers a connection that
    /// would take one of them with 503 and closes it. The reserve is at most half of what is free at the start.
    package var reservedDescriptors = 100
    /// Bytes of all header field lines of one request, line ends included (431 beyond).
    package var headerBytes = 16 << 10
    /// Bytes of the request line, line end included (414 beyond).
    package var requestLineBytes = 8 << 10
    /// Header fields of one request (431 beyond).
    package var headerFields = 100
    /// Bytes of a request body where the route sets no limit of its own (413 beyond).
    package var bodyBytes = 1 << 20
    /// Bytes of an upload, for the routes that take files.
    package var uploadBytes = 64 << 20
    /// Bytes of request bodies held by all connections together (503 beyond).
    package var bufferedBodyBytes = 256 << 20

    /// The time from the first byte of a request to the end of its header (408).
    package var headerDeadline: Duration = .seconds(10)
    /// Longest pause while a request body arrives (408).
    package var bodyProgress: Duration = .seconds(20)
    /// Longest time in which a whole request body arrives (408).
    package var bodyDeadline: Duration = .seconds(120)
    /// Bytes of body a second that must have come on average, after `bodyGrace` (408): a byte now and then is progress,
    /// and would keep a connection taken for days.
    package var leastBodyRate = 1024
    package var bodyGrace: Duration = .seconds(20)
    /// Longest wait for the first byte of a request on an open connection.
    package var idle: Duration = .seconds(60)
    /// Longest time in which a client takes nothing of its answer. Progress is seen in steps of at most 128 KiB.
    package var writeStall: Duration = .seconds(30)
    /// Given to running requests when the server drains.
    package var drain: Duration = .seconds(60)
    /// How long a client may still answer a half-closed connection before its request counts as abandoned.
    ///
    /// A FIN may mean "I am gone" or, from tools that shut their sending side down, "I have said all". Handlers that
    /// finish within this time answer both; longer ones are cancelled. A reset cancels at once.
    package var halfCloseGrace: Duration = .milliseconds(100)
    /// How long the server reads and drops what a client still sends after the last answer, so that the reset which a
    /// close with unread bytes causes does not destroy that answer on its way.
    package var linger: Duration = .seconds(2)

    /// When all connections are taken, the next client gets the place of a client that has waited so long between two
    /// requests, or inside one for `evictionBytes` more.
    package var idleEviction: Duration = .seconds(5)
    package var slowEviction: Duration = .seconds(1)
    package var evictionBytes = 16 << 10

    package init() {}

    /// How long a body that began at `start` may take for what comes after its first `received` bytes.
    func bodyWait(since start: ContinuousClock.Instant, received: Int, now: ContinuousClock.Instant) -> Duration {
        let byRate = start + bodyGrace + .seconds(1) * (Double(received) / Double(max(leastBodyRate, 1)))
        return min(now + bodyProgress, start + bodyDeadline, byRate) - now
    }

    /// How often deadlines are looked at: fine enough for the shortest, and no load for the usual ones.
    var tick: Duration {
        let shortest = [headerDeadline, bodyProgress, bodyDeadline, bodyGrace, idle, writeStall, linger].min() ?? idle
        return max(.milliseconds(10), min(.milliseconds(500), shortest / 8))
    }
}
