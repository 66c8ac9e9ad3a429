import Glibc
import Synchronization

/// The open connections of a server, for its clock, its limits and its end.
final class ConnectionTable: Sendable {
    private struct State {
        var open: [ObjectIdentifier: Connection] = [:]
        /// How many there are from each address.
        var byAddress: [String: Int] = [:]
        /// The connections that have a descriptor of the reserve.
        var inReserve: Set<ObjectIdentifier> = []
        var isFinished = false
    }

    /// What becomes of a connection that was accepted.
    enum Place: Equatable {
        case served
        /// The client is told that there are too many connections, of all clients or of its address.
        case refused(String)
        /// Even telling so would cost too much.
        case dropped
    }

    private let state = Mutex(State())
    private let limits: HTTPLimits
    /// Telling that there is no place costs a descriptor for a moment, so it is done for some and the rest are just
    /// closed.
    private static let refusals = 64

    /// The lowest free descriptor before any connection came.
    private let firstDescriptor: Int32

    init(limits: HTTPLimits) {
        self.limits = limits
        firstDescriptor = DescriptorLimit.next
    }

    var count: Int { state.withLock { $0.open.count } }

    var all: [Connection] { state.withLock { Array($0.open.values) } }

    /// Whether the last connection has been closed and no more will come.
    var isFinished: Bool { state.withLock { $0.isFinished } }

    /// Takes a connection up. Where all places are taken it gets that of a client that keeps its own waiting.
    func insert(_ connection: Connection) -> Place {
        let address = Self.network(of: connection.remote)
        let (total, ofAddress) = state.withLock { state in
            state.open[ObjectIdentifier(connection)] = connection
            state.byAddress[address, default: 0] += 1
            return (state.open.count, state.byAddress[address] ?? 0)
        }
        let reserve = DescriptorLimit.reserve(limits.reservedDescriptors, first: firstDescriptor)
        if connection.number >= reserve.lowest {
            let held = state.withLock { state in
                state.inReserve.insert(ObjectIdentifier(connection))
                return state.inReserve.count
            }
            if held > reserve.count / 2 {
                remove(connection)
                return .dropped
            }
            if !evict() { return .refused("no file descriptor is free for it") }
        }
        let mostOfAddress = mostConnections(of: address)
        if total > limits.connections + Self.refusals || ofAddress > mostOfAddress + Self.refusals {
            remove(connection)
            return .dropped
        }
        if ofAddress > mostOfAddress, !evict(where: { Self.network(of: $0.remote) == address }) {
            return .refused("all \(mostOfAddress) connections of one address are in use")
        }
        if total > limits.connections, !evict() {
            return .refused("all \(limits.connections) connections are in use")
        }
        return .served
    }

    func remove(_ connection: Connection) {
        let address = Self.network(of: connection.remote)
        state.withLock { state in
            state.inReserve.remove(ObjectIdentifier(connection))
            guard state.open.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
            let left = (state.byAddress[address] ?? 0) - 1
            state.byAddress[address] = left > 0 ? left : nil
        }
    }

    func finish() {
        state.withLock { $0.isFinished = true }
    }

    // MARK: Eviction

    /// Closes the connection that has been idle longest, however short that is.
    func closeLongestIdle() {
        let idle = all.compactMap { connection in
            connection.clientsTurn.flatMap { $0.wait == .idle ? (connection, $0.since) : nil }
        }
        idle.min { $0.1 < $1.1 }?.0.closeIfIdle()
    }

    /// Ends one of those that keep the server waiting too long: of the address that has most of them the one that has
    /// waited longest.
    /// - Returns: false if there is none.
    private func evict(where isCandidate: (Connection) -> Bool = { _ in true }) -> Bool {
        let now = ContinuousClock.now
        var waiting: [String: [(connection: Connection, since: ContinuousClock.Instant)]] = [:]
        for connection in all where isCandidate(connection) {
            guard let (wait, since) = connection.clientsTurn else { continue }
            guard now - since >= (wait == .idle ? limits.idleEviction : limits.slowEviction) else { continue }
            waiting[Self.network(of: connection.remote), default: []].append((connection, since))
        }
        let most = waiting.values.max { $0.count < $1.count } ?? []
        guard let longest = most.min(by: { $0.since < $1.since }) else { return false }
        longest.connection.evict()
        return true
    }

    private func mostConnections(of address: String) -> Int {
        if let limit = limits.connectionsPerAddress { return limit }
        let isLocal = address.hasPrefix("127.") || address == "::1"
        return isLocal ? .max / 2 : max(1, limits.connections / 2)
    }

    /// What one client can have many of counts as one: an IPv4 address, an IPv6 network of 64 bits.
    private static func network(of address: String) -> String {
        var bytes = in6_addr()
        guard address != "::1", inet_pton(AF_INET6, address, &bytes) == 1 else { return address }
        return withUnsafeBytes(of: &bytes) { $0.prefix(8).map { String($0, radix: 16) }.joined(separator: ":") }
    }
}
