import Foundation
import Glibc

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A request to an IPv6 address over a socket of its own. Foundation's URLSession on Linux finds its host and curl's to
/// differ where the address stands in brackets, and refuses each such URL.
///
/// It is sent as HTTP/1.0: the answer's end is its length or that of the connection, and no coding needs to be undone.
struct SocketRequest: Sendable {
    private let host: String
    private let port: UInt16
    private let bytes: [UInt8]

    /// Returns nil for a request that URLSession can make: one to a name, to an IPv4 address, or by `https`.
    init?(_ request: URLRequest) {
        guard let url = request.url, url.scheme == "http", let host = url.host, host.contains(":") else { return nil }
        self.host = host.filter { $0 != "[" && $0 != "]" }
        port = UInt16(clamping: url.port ?? 80)
        let body = request.httpBody ?? Data()
        var head = "\(request.httpMethod ?? "GET") \(url.path(percentEncoded: true)) HTTP/1.0\r\n"
        head += "Host: [\(self.host)]:\(port)\r\nContent-Length: \(body.count)\r\n"
        for (name, value) in request.allHTTPHeaderFields ?? [:] { head += "\(name): \(value)\r\n" }
        bytes = Array("\(head)\r\n".utf8) + body
    }

    /// Waits on a thread of its own.
    /// - Throws: `ImageServer.Fault.unreachable`, `malformed`.
    func send(timeout seconds: Double) async throws -> (status: Int, body: Data) {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try exchange(until: .now + .seconds(seconds)) })
            }
        }
    }

    private func exchange(until end: ContinuousClock.Instant) throws -> (status: Int, body: Data) {
        let socket = try connect(until: end)
        defer { close(socket) }
        var sent = 0
        while sent < bytes.count {
            try wait(for: POLLOUT, on: socket, until: end)
            let count = bytes.withUnsafeBytes { buffer in
                let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                return Glibc.send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 { sent += count } else if errno != EAGAIN && errno != EINTR { throw Self.fault("sending") }
        }
        var answer = Data()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while !Self.isWhole(answer) {
            try wait(for: POLLIN, on: socket, until: end)
            let count = recv(socket, &buffer, buffer.count, 0)
            if count == 0 { break }
            if count > 0 {
                answer += buffer[..<count]
            } else if errno != EAGAIN && errno != EINTR {
                throw Self.fault("reading")
            }
        }
        return try Self.parse(answer)
    }

    private func connect(until end: ContinuousClock.Instant) throws -> Int32 {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        // Also with a zone, fe80::1%eth0.
        let failure = getaddrinfo(host.replacing("%25", with: "%"), String(port), &hints, &found)
        defer { if let found { freeaddrinfo(found) } }
        guard failure == 0, let address = found?.pointee else {
            throw ImageServer.Fault.unreachable(String(cString: gai_strerror(failure)))
        }
        let kind = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let socket = Glibc.socket(address.ai_family, Int32(kind), 0)
        guard socket >= 0 else { throw Self.fault("opening a socket") }
        var isOpen = false
        defer { if !isOpen { close(socket) } }
        if Glibc.connect(socket, address.ai_addr, address.ai_addrlen) != 0 {
            guard errno == EINPROGRESS else { throw Self.fault("connecting") }
            try wait(for: POLLOUT, on: socket, until: end)
            var (result, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
            getsockopt(socket, SOL_SOCKET, SO_ERROR, &result, &length)
            guard result == 0 else {
                errno = result
                throw Self.fault("connecting")
            }
        }
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        isOpen = true
        return socket
    }

    private func wait(for events: Int32, on socket: Int32, until end: ContinuousClock.Instant) throws {
        var entry = pollfd(fd: socket, events: Int16(events), revents: 0)
        let left = (end - .now) / .milliseconds(1)
        guard left > 0, poll(&entry, 1, Int32(min(left.rounded(.up), 1e9))) != 0 else {
            throw ImageServer.Fault.unreachable("The request timed out.")
        }
    }

    private static func fault(_ what: String) -> ImageServer.Fault {
        .unreachable("\(what): \(String(cString: strerror(errno)))")
    }

    // MARK: The answer

    private static let headEnd = Data("\r\n\r\n".utf8)

    /// Whether all of the length that the head tells has come.
    private static func isWhole(_ answer: Data) -> Bool {
        guard let end = answer.firstRange(of: headEnd), let length = length(answer[..<end.lowerBound]) else {
            return false
        }
        return answer.count - end.upperBound >= length
    }

    private static func length(_ head: Data) -> Int? {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
        let field = lines.first { $0.lowercased().hasPrefix("content-length:") }
        return field.flatMap { Int($0.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)) }
    }

    private static func parse(_ answer: Data) throws -> (status: Int, body: Data) {
        guard let end = answer.firstRange(of: headEnd),
            let status = String(decoding: answer[..<end.lowerBound], as: UTF8.self).split(separator: " ")
                .dropFirst().first.flatMap({ Int($0.prefix(3)) })
        else { throw ImageServer.Fault.malformed("the answer is not HTTP") }
        let body = answer[end.upperBound...]
        if let length = length(answer[..<end.lowerBound]), body.count < length {
            throw ImageServer.Fault.unreachable("the connection ended inside the answer")
        }
        return (status, Data(body))
    }
}
