import FlyingSocks
import Glibc
import Synchronization

/// The listening socket.
final class Listener: Sendable {
    let host: String
    let port: UInt16
    private let socket: Socket
    private let isClosed = Mutex(false)

    /// Binds to an IPv4 or IPv6 address or `localhost`. Throws `HTTPError.cannotListen`.
    init(host: String, port: UInt16) throws(HTTPError) {
        var opened: Socket?
        do {
            let name = host == "localhost" ? "127.0.0.1" : host.filter { $0 != "[" && $0 != "]" }
            let isIPv6 = name.contains(":")
            let socket = try Socket(domain: isIPv6 ? AF_INET6 : AF_INET)
            opened = socket
            try socket.setValue(true, for: .localAddressReuse)
            try socket.setFlags(.nonBlocking)
            _ = fcntl(socket.file.rawValue, F_SETFD, FD_CLOEXEC)
            if isIPv6 {
                try socket.bind(to: .inet6(ip6: name, port: port))
            } else {
                try socket.bind(to: .inet(ip4: name, port: port))
            }
            guard listen(socket.file.rawValue, SOMAXCONN) == 0 else { throw SocketError.makeFailed("Listen") }
            switch try socket.sockname() {
            case .ip4(let address, let port), .ip6(let address, let port): (self.host, self.port) = (address, port)
            case .unix: throw SocketError.unsupportedAddress
            }
            self.socket = socket
        } catch {
            try? opened?.close()
            let isAddress = (error as? SocketError).map { "\($0)".contains("inet_pton") } ?? false
            let reason = isAddress ? "not an IPv4 or IPv6 address" : "\(error.localizedDescription)"
            throw .cannotListen(host: host, port: port, reason: reason)
        }
    }

    /// Waits for the next client. Throws `SocketError` when none can be accepted, now or ever.
    func accept(_ readiness: Readiness) async throws -> Connection {
        while true {
            var address = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let descriptor = address.withMutableSockAddr { Glibc.accept(socket.file.rawValue, $0, &length) }
            if descriptor >= 0 {
                _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                return Connection(descriptor: descriptor, remote: Self.name(of: address), readiness: readiness)
            }
            switch errno {
            case EAGAIN: try await readiness.wait(for: .connection, on: socket)
            case EINTR, ECONNABORTED: continue  // that client has given up already
            default: throw SocketError.makeFailed("Accept")
            }
        }
    }

    /// Makes a waiting `accept` throw; no client gets in any more.
    func wake() {
        isClosed.withLock { isClosed in
            if !isClosed { shutdown(socket.file.rawValue, Int32(SHUT_RD)) }
        }
    }

    /// When nobody waits in `accept`.
    func close() {
        isClosed.withLock { isClosed in
            guard !isClosed else { return }
            isClosed = true
            try? socket.close()
        }
    }

    private static func name(of address: sockaddr_storage) -> String {
        switch try? Socket.makeAddress(from: address) {
        case .ip4(let name, _): name
        // An IPv4 client of an IPv6 socket.
        case .ip6(let name, _): name.hasPrefix("::ffff:") ? String(name.dropFirst(7)) : name
        case .unix, nil: "unknown"
        }
    }
}
