/// A request line and its header fields, validated: from here on the framing of the body is beyond doubt.
package struct HTTPHead: Sendable, Equatable {
    /// How the end of the body is found (RFC 9112 6.3).
    package enum Framing: Sendable, Equatable {
        case none
        case length(Int)
        case chunked
    }

    package let method: String
    package let target: HTTPTarget
    /// The y of HTTP/1.y: 0 or 1.
    package let minorVersion: Int
    package let headers: HTTPHeaders
    package let framing: Framing
    package let keepAlive: Bool
    package let expectsContinue: Bool

    init(line: RequestLine, headers: HTTPHeaders) throws(HTTPError) {
        method = line.method
        target = line.target
        minorVersion = line.minorVersion
        self.headers = headers
        try Self.checkHost(headers.all("Host"), minorVersion: line.minorVersion)
        framing = try Self.framing(headers, minorVersion: line.minorVersion)

        let options = headers.list("Connection")
        let close = options.contains { $0.equalsIgnoringCase("close") }
        keepAlive = !close && (minorVersion == 1 || options.contains { $0.equalsIgnoringCase("keep-alive") })

        let expectations = headers.list("Expect")
        if let other = expectations.first(where: { !$0.equalsIgnoringCase("100-continue") }) {
            throw .expectationFailed(other)
        }
        expectsContinue = !expectations.isEmpty && minorVersion == 1
    }

    private static func checkHost(_ hosts: [String], minorVersion: Int) throws(HTTPError) {
        guard hosts.count <= 1 else { throw .badRequest("more than one Host") }
        guard let host = hosts.first else {
            if minorVersion == 1 { throw .badRequest("no Host") }
            return
        }
        let punctuation = Array("-._~!$&'()*+;=%[]:".utf8)
        let isValid = host.utf8.allSatisfy { byte in
            byte.isDigit || (0x61...0x7A).contains(byte.asciiLowercased) || punctuation.contains(byte)
        }
        guard isValid else { throw .badRequest("Host is not a host name") }
    }

    /// Refuses whatever could be read in two ways, because a proxy in front may read it in the other.
    private static func framing(_ headers: HTTPHeaders, minorVersion: Int) throws(HTTPError) -> Framing {
        let lengths = headers.all("Content-Length")
        let codings = headers.all("Transfer-Encoding")
        guard codings.isEmpty || lengths.isEmpty else {
            throw .badRequest("both Content-Length and Transfer-Encoding")
        }
        if !codings.isEmpty {
            guard minorVersion == 1 else { throw .badRequest("Transfer-Encoding in HTTP/1.0") }
            guard codings.count == 1, codings[0].equalsIgnoringCase("chunked") else {
                throw .unsupportedTransferCoding(codings.joined(separator: ", "))
            }
            return .chunked
        }
        guard lengths.count <= 1 else { throw .badRequest("more than one Content-Length") }
        guard let text = lengths.first else { return .none }
        guard !text.isEmpty, text.utf8.allSatisfy(\.isDigit) else {
            throw .badRequest("Content-Length is not a number")
        }
        // Only digits, so the conversion fails for nothing but a number beyond 63 bits.
        guard let length = Int(text) else { throw .bodyTooLarge(limit: Int.max) }
        return length == 0 ? .none : .length(length)
    }
}

/// `method SP target SP HTTP/1.y`
struct RequestLine: Sendable, Equatable {
    let method: String
    let target: HTTPTarget
    let minorVersion: Int

    init(_ line: ArraySlice<UInt8>) throws(HTTPError) {
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .badRequest("the request line is not: method, target, version") }
        guard !parts[0].isEmpty, parts[0].allSatisfy(\.isTokenCharacter) else {
            throw .badRequest("the method is not a token")
        }
        method = String(decoding: parts[0], as: UTF8.self)
        minorVersion = try Self.minorVersion(parts[2])
        target = try HTTPTarget(parts[1], method: method)
    }

    private static func minorVersion(_ bytes: ArraySlice<UInt8>) throws(HTTPError) -> Int {
        let digits = bytes.dropFirst(5)
        guard bytes.starts(with: "HTTP/".utf8), digits.count == 3, let major = digits.first, let minor = digits.last,
            major.isDigit, minor.isDigit, digits.dropFirst().first == UInt8(ascii: ".")
        else { throw .badRequest("the request line does not end in HTTP/1.1") }
        guard major == UInt8(ascii: "1"), minor <= UInt8(ascii: "1") else {
            throw .unsupportedVersion(String(decoding: bytes, as: UTF8.self))
        }
        return Int(minor - UInt8(ascii: "0"))
    }
}
