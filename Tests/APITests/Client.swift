import Foundation
import Glibc

/// A client with a connection for each request.
struct Client: Sendable {
    let port: UInt16
    /// The address to ask from; nil for 127.0.0.1.
    var source: UInt32?

    struct Answer: Sendable {
        var status = 0
        var fields: [String: String] = [:]
        var body: [UInt8] = []

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: [String: Any] {
            get throws { try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any] ?? [:] }
        }
        /// The four keys of an error, as text; "null" for null.
        var error: [String: String] {
            get throws {
                let error = try json["error"] as? [String: Any] ?? [:]
                return error.mapValues { $0 is NSNull ? "null" : "\($0)" }
            }
        }
    }

    struct Failure: Error {
        let reason: String
    }

    func get(_ path: String, _ fields: [String: String] = [:]) async throws -> Answer {
        try await send("GET", path, fields)
    }

    func post(_ path: String, _ json: String, _ fields: [String: String] = [:]) async throws -> Answer {
        try await send("POST", path, fields.merging(["Content-Type": "application/json"]) { own, _ in own }, json)
    }

    func send(
        _ method: String, _ path: String, _ fields: [String: String] = [:], _ body: String = ""
    ) async throws -> Answer {
        try await open(method, path, fields, body).answer(isHead: method == "HEAD")
    }

    /// Sends a form; what has the name of a file is one.
    func post(_ path: String, form: [(name: String, file: String?, content: [UInt8])]) async throws -> Answer {
        let boundary = "b0undary"
        var body: [UInt8] = []
        for part in form {
            let file = part.file.map { "; filename=\"\($0)\"" } ?? ""
            body += "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(part.name)\"\(file)\r\n\r\n".utf8
            body += part.content + "\r\n".utf8
        }
        body += "--\(boundary)--\r\n".utf8
        let connection = try open(
            "POST", path,
            ["Content-Type": "multipart/form-data; boundary=\(boundary)", "Content-Length": "\(body.count)"])
        connection.send(body)
        return try await connection.answer()
    }

    /// Sends a request and leaves the answer to be read.
    func open(
        _ method: String, _ path: String, _ fields: [String: String] = [:], _ body: String = ""
    ) throws -> Connection {
        var fields = fields
        fields["Host"] = fields["Host"] ?? "127.0.0.1:\(port)"
        if !body.isEmpty, fields["Content-Length"] == nil { fields["Content-Length"] = "\(body.utf8.count)" }
        let head = fields.sorted { $0.key < $1.key }.map { "\($0): \($1)\r\n" }.joined()
        let connection = try Connection(port: port, source: source)
        connection.send("\(method) \(path) HTTP/1.1\r\nConnection: close\r\n\(head)\r\n\(body)")
        return connection
    }

    final class Connection: Sendable {
        private let socket: Int32

        init(port: UInt16, source: UInt32? = nil) throws {
            socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var limit = timeval(tv_sec: 60, tv_usec: 0)
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            if let source {
                let bound = Self.withAddress(source, 0) { bind(socket, $0, $1) }
                guard bound == 0 else { throw Failure(reason: "bind: \(errno)") }
            }
            let result = Self.withAddress(0x7F00_0001, port) { connect(socket, $0, $1) }
            guard result == 0 else { throw Failure(reason: "connect: \(errno)") }
        }

        private static func withAddress(
            _ host: UInt32, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
        ) -> Int32 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = host.bigEndian
            return withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }

        deinit { close(socket) }

        /// As a client that goes away does; what it wanted is not read.
        func leave() { shutdown(socket, Int32(SHUT_RDWR)) }

        func send(_ text: String) { send(Array(text.utf8)) }

        func send(_ bytes: [UInt8]) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }

        /// What has arrived and is not read yet.
        var arrived: String {
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            let count = recv(socket, &buffer, buffer.count, Int32(MSG_PEEK | MSG_DONTWAIT))
            return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        }

        /// All until the server closes. It is waited for on a thread of its own: the tests share the few that tasks
        /// run on.
        func answer(isHead: Bool = false) async throws -> Answer {
            try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread {
                    continuation.resume(with: Result { try self.read(isHead: isHead) })
                }
            }
        }

        private func read(isHead: Bool) throws -> Answer {
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            while true {
                let count = recv(socket, &buffer, buffer.count, 0)
                guard count >= 0 else { throw Failure(reason: "recv: \(errno)") }
                guard count > 0 else { break }
                bytes += buffer[..<count]
            }
            return try Self.parse(bytes, isHead: isHead)
        }

        private static func parse(_ bytes: [UInt8], isHead: Bool) throws -> Answer {
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else {
                throw Failure(reason: "no whole head in \(text.prefix(200))")
            }
            let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
            var answer = Answer()
            answer.status = Int(lines.first?.split(separator: " ").dropFirst().first ?? "") ?? 0
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                answer.fields[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].dropFirst()) : ""
            }
            answer.body = Array(bytes[end.upperBound...])
            if answer.status == 100 { return try parse(answer.body, isHead: isHead) }
            if answer.fields["transfer-encoding"] == "chunked" { answer.body = try unchunked(answer.body[...]) }
            if !isHead, let length = answer.fields["content-length"].flatMap({ Int($0) }), length != answer.body.count {
                throw Failure(reason: "\(answer.body.count) bytes of \(length)")
            }
            return answer
        }

        private static func unchunked(_ bytes: ArraySlice<UInt8>) throws -> [UInt8] {
            var (body, rest): ([UInt8], ArraySlice<UInt8>) = ([], bytes)
            while let line = rest.firstRange(of: [13, 10]) {
                let size = Int(String(decoding: rest[..<line.lowerBound], as: UTF8.self), radix: 16) ?? -1
                rest = rest[line.upperBound...]
                if size == 0 { return body }
                guard size > 0, rest.count >= size + 2 else { break }
                body += rest.prefix(size)
                rest = rest.dropFirst(size + 2)
            }
            throw Failure(reason: "the last chunk is missing")
        }
    }
}

/// An event of a `text/event-stream`, its data read as JSON.
struct ReceivedEvent {
    var name = ""
    var id = ""
    var data: [String: Any] = [:]

    static func all(in text: String) throws -> [ReceivedEvent] {
        try text.components(separatedBy: "\n\n").compactMap { block in
            var event = ReceivedEvent()
            for line in block.split(separator: "\n") where !line.hasPrefix(":") {
                let parts = line.split(separator: ":", maxSplits: 1).map { String($0) }
                let value = String(parts[1].dropFirst())
                switch parts[0] {
                case "event": event.name = value
                case "id": event.id = value
                default:
                    event.data =
                        try JSONSerialization.jsonObject(with: Data(value.utf8)) as? [String: Any] ?? [:]
                }
            }
            return event.name.isEmpty ? nil : event
        }
    }
}
