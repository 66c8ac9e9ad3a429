import Glibc

/// A client that sends whatever bytes a test wants and hides nothing of what comes back.
final class RawClient {
    struct Answer {
        var status = 0
        var head = ""
        var fields: [String: String] = [:]
        var body: [UInt8] = []
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    enum Failure: Error {
        case cannotConnect(Int32)
        case timeout
        case closed
        case malformed(String)
    }

    /// Longer than any pause of a machine that is busy with other things.
    static let patience = 30.0

    private var descriptor: Int32
    private(set) var pending: [UInt8] = []

    /// - Parameters:
    ///   - receiveBuffer: bytes the kernel may hold for this client, to stall the server early.
    ///   - source: the IPv4 address to come from; nil for 127.0.0.1.
    init(port: UInt16, ipv6: Bool = false, receiveBuffer: Int32? = nil, source: UInt32? = nil) throws {
        descriptor = socket(ipv6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        // A process that another test starts must not keep this connection open.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
        if var receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
        if let source {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = source.bigEndian
            _ = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        let result: Int32
        if ipv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_addr = in6addr_loopback
            result = Self.connect(descriptor, &address)
        } else {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            result = Self.connect(descriptor, &address)
        }
        guard result == 0 else {
            let failure = errno
            close()
            throw Failure.cannotConnect(failure)
        }
    }

    private static func connect<Address>(_ descriptor: Int32, _ address: inout Address) -> Int32 {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }

    deinit { close() }

    /// Sends what it can; returns false when the server had closed its side.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(descriptor, buffer.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Sends no more; what was sent arrives before the end.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// Closes with RST instead of FIN.
    func reset() {
        var abort = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// More bytes into `pending`. False at the end of the stream or after a reset.
    func receive(within seconds: Double = RawClient.patience) throws -> Bool {
        guard descriptor >= 0 else { return false }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, Int32(seconds * 1000)) > 0 else { throw Failure.timeout }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        pending += buffer[..<count]
        return true
    }

    func readLine(within seconds: Double = RawClient.patience) throws -> String {
        while true {
            if let end = pending.firstIndex(of: 10) {
                let line = pending[..<end].last == 13 ? pending[..<(end - 1)] : pending[..<end]
                defer { pending.removeSubrange(...end) }
                return String(decoding: line, as: UTF8.self)
            }
            guard try receive(within: seconds) else { throw Failure.closed }
        }
    }

    func read(_ count: Int, within seconds: Double = RawClient.patience) throws -> [UInt8] {
        while pending.count < count {
            guard try receive(within: seconds) else { throw Failure.closed }
        }
        defer { pending.removeSubrange(..<count) }
        return Array(pending[..<count])
    }

    func readHead(within seconds: Double = RawClient.patience) throws -> Answer {
        var answer = Answer()
        let line = try readLine(within: seconds)
        guard line.hasPrefix("HTTP/1.1 "), let status = Int(line.split(separator: " ")[1]) else {
            throw Failure.malformed(line)
        }
        answer.status = status
        while true {
            let field = try readLine(within: seconds)
            if field.isEmpty { return answer }
            answer.head += field + "\n"
            let parts = field.split(separator: ":", maxSplits: 1)
            answer.fields[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].dropFirst()) : ""
        }
    }

    func readChunk(within seconds: Double = RawClient.patience) throws -> [UInt8] {
        let line = try readLine(within: seconds)
        guard let size = Int(line, radix: 16) else { throw Failure.malformed(line) }
        let bytes = try read(size, within: seconds)
        guard try readLine(within: seconds) == "" else { throw Failure.malformed("after chunk") }
        return bytes
    }

    /// One whole answer.
    func answer(toHead isHead: Bool = false, within seconds: Double = RawClient.patience) throws -> Answer {
        var answer = try readHead(within: seconds)
        if isHead || answer.status == 204 || answer.status == 304 || answer.status < 200 { return answer }
        if let length = answer.fields["content-length"].flatMap({ Int($0) }) {
            answer.body = try read(length, within: seconds)
        } else if answer.fields["transfer-encoding"] == "chunked" {
            while true {
                let chunk = try readChunk(within: seconds)
                if chunk.isEmpty { break }
                answer.body += chunk
            }
        } else {
            answer.body = try readToEnd(within: seconds)
        }
        return answer
    }

    func get(_ path: String, _ fields: String = "", within seconds: Double = RawClient.patience) throws -> Answer {
        send("GET \(path) HTTP/1.1\r\nHost: test\r\n\(fields)\r\n")
        return try answer(within: seconds)
    }

    /// Everything until the server closes.
    func readToEnd(within seconds: Double = RawClient.patience) throws -> [UInt8] {
        while try receive(within: seconds) {}
        defer { pending = [] }
        return pending
    }

    /// Whether the server has closed, or closes within the time, having sent nothing more.
    func isClosed(within seconds: Double = RawClient.patience) -> Bool {
        (try? receive(within: seconds)) == false && pending.isEmpty
    }
}
