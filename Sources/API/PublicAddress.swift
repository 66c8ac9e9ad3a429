import HTTP

/// The address that clients reach the server by, to make links of.
struct PublicAddress: Sendable {
    /// What the operator says it is, without a slash at the end; nil to go by the request.
    var configured: String?
    /// Whether what a proxy says of the client's request is believed. Else anybody could make the server tell others
    /// links to a place of his own.
    var trustsProxy = false

    /// What comes before the paths of links that lead back here. Nothing is needed where the client's own address leads
    /// here, and behind a proxy that is known nothing less than the whole address will do.
    func prefix(for request: HTTPRequest) -> String {
        configured != nil || trustsProxy ? base(of: request) : ""
    }

    /// `https://host/prefix`, without a slash at the end; empty when the client did not say which host it meant, so that
    /// links become relative.
    func base(of request: HTTPRequest) -> String {
        if let configured { return configured }
        let forwarded = { (name: String) in trustsProxy ? request.headers.list(name).first : nil }
        guard let host = forwarded("X-Forwarded-Host") ?? request.headers["Host"], !host.isEmpty,
            host.utf8.allSatisfy(Self.isHostCharacter)
        else { return "" }
        let scheme = forwarded("X-Forwarded-Proto")?.lowercased() == "https" ? "https" : "http"
        return "\(scheme)://\(host)\(Self.prefix(forwarded("X-Forwarded-Prefix")))"
    }

    /// An address as an operator writes it; nil for what is none.
    static func normalized(_ text: String) -> String? {
        var text = text[...]
        while text.hasSuffix("/") { text = text.dropLast() }
        guard let scheme = ["http://", "https://"].first(where: { text.lowercased().hasPrefix($0) }) else { return nil }
        let rest = text.dropFirst(scheme.count)
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        guard end > rest.startIndex, rest[..<end].utf8.allSatisfy(isHostCharacter),
            rest[end...].utf8.allSatisfy(isPathCharacter)
        else { return nil }
        return scheme + rest
    }

    /// A path with a slash at its start and none at its end; empty for what is no plain path.
    private static func prefix(_ text: String?) -> String {
        guard let text, text.hasPrefix("/"), !text.hasPrefix("//"), text.utf8.allSatisfy(isPathCharacter) else {
            return ""
        }
        return String(text.reversed().drop { $0 == "/" }.reversed())
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._:[]".utf8.contains(byte)
        }
    }

    private static func isPathCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "/-._~%".utf8.contains(byte)
        }
    }
}
