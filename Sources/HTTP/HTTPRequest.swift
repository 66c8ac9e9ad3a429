/// A whole request, as a handler sees it.
package struct HTTPRequest: Sendable {
    package var method: String
    package var target: HTTPTarget
    package var headers: HTTPHeaders
    package var body: [UInt8]
    /// Names this exchange in the log and in the answer's `X-Request-Id`: the client's own, when it sent a plain one.
    package let id: String
    /// The client's address, without the port.
    package let remote: String
    /// The template of the route that matched, `/v1/videos/{id}`: a label with few values, for metrics and logs.
    package internal(set) var route: String?
    /// What the placeholders of the template matched, decoded.
    package internal(set) var parameters: [String: String] = [:]

    package init(
        method: String, target: HTTPTarget, headers: HTTPHeaders, body: [UInt8] = [], id: String = "",
        remote: String = ""
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.id = id
        self.remote = remote
    }

    /// The decoded path. A segment may hold an encoded slash; `target.segments` keeps it apart.
    package var path: String { "/" + target.segments.joined(separator: "/") }

    /// The value of the first query item of that name.
    package func query(_ name: String) -> String? {
        target.query.first { $0.name == name }?.value
    }

    /// The client's `X-Request-Id` when it is short and plain, else a new random one.
    static func id(for headers: HTTPHeaders?) -> String {
        let isPlain: (UInt8) -> Bool = { byte in
            byte.isDigit || (0x61...0x7A).contains(byte.asciiLowercased) || "-_.".utf8.contains(byte)
        }
        if let given = headers?["X-Request-Id"], (1...64).contains(given.utf8.count), given.utf8.allSatisfy(isPlain) {
            return given
        }
        let number = String(UInt64.random(in: .min ... .max), radix: 16)
        return "req_" + String(repeating: "0", count: 16 - number.count) + number
    }
}
