import HTTP

/// The address that the client reached the server by, to make links of.
enum PublicAddress {
    /// `http://host:port`, without a slash at the end; empty when the client did not say which host it meant, so that
    /// links become relative. A reverse proxy that ends TLS says so in X-Forwarded-Proto.
    static func base(of request: HTTPRequest) -> String {
        guard let host = request.headers["Host"], !host.isEmpty, host.utf8.allSatisfy(isHostCharacter) else {
            return ""
        }
        let scheme = request.headers["X-Forwarded-Proto"] == "https" ? "https" : "http"
        return "\(scheme)://\(host)"
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._:[]".utf8.contains(byte)
        }
    }
}
