/// The target of a request line, taken apart and decoded.
///
/// The path is split at its slashes before it is decoded, so an encoded slash never makes a segment, and no segment
/// (nor a part of one between encoded slashes) is `.` or `..`.
package struct HTTPTarget: Sendable, Equatable {
    package struct QueryItem: Sendable, Equatable {
        package var name: String
        package var value: String
    }

    /// The path as it was sent, still encoded: visible ASCII, safe to log.
    package let rawPath: String
    /// The decoded segments: `/v1/models` gives `["v1", "models"]`, `/` gives `[""]`, a trailing slash a last "".
    package let segments: [String]
    package let query: [QueryItem]

    /// Takes the origin form (`/path?query`), the absolute form (`http://host/path`) and `*` (with OPTIONS).
    /// Throws `HTTPError.badRequest`.
    init(_ bytes: ArraySlice<UInt8>, method: String) throws(HTTPError) {
        guard bytes.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }) else {
            throw .badRequest("the target has a character that must be percent-encoded")
        }
        if bytes.elementsEqual("*".utf8) {
            guard method == "OPTIONS" else { throw .badRequest("the target * is for OPTIONS") }
            (rawPath, segments, query) = ("*", [], [])
            return
        }
        let origin = try Self.originForm(of: bytes)
        let mark = origin.firstIndex(of: UInt8(ascii: "?")) ?? origin.endIndex
        rawPath = String(decoding: origin[..<mark], as: UTF8.self)

        var segments: [String] = []
        for part in origin[..<mark].dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let segment = try Self.decode(part, plusIsSpace: false)
            guard !segment.split(separator: "/").contains(where: { $0 == "." || $0 == ".." }) else {
                throw .badRequest("the path has a dot segment")
            }
            segments.append(segment)
        }
        self.segments = segments

        var query: [QueryItem] = []
        for item in origin[mark...].dropFirst().split(separator: UInt8(ascii: "&")) {
            let equals = item.firstIndex(of: UInt8(ascii: "=")) ?? item.endIndex
            query.append(
                QueryItem(
                    name: try Self.decode(item[..<equals], plusIsSpace: true),
                    value: try Self.decode(item[equals...].dropFirst(), plusIsSpace: true)))
        }
        self.query = query
    }

    /// Reads a target from text. Throws `HTTPError.badRequest`.
    package init(_ text: String, method: String = "GET") throws(HTTPError) {
        try self.init(Array(text.utf8)[...], method: method)
    }

    private static func originForm(of bytes: ArraySlice<UInt8>) throws(HTTPError) -> ArraySlice<UInt8> {
        if bytes.first == UInt8(ascii: "/") { return bytes }
        for scheme in ["http://", "https://"] where bytes.count > scheme.utf8.count {
            let prefix = bytes.prefix(scheme.utf8.count)
            guard zip(prefix, scheme.utf8).allSatisfy({ $0.asciiLowercased == $1 }) else { continue }
            let authority = bytes.dropFirst(scheme.utf8.count)
            guard let slash = authority.firstIndex(of: UInt8(ascii: "/")) else {
                // Without a path only a query may follow; an empty path means "/".
                let mark = authority.firstIndex(of: UInt8(ascii: "?")) ?? authority.endIndex
                return [UInt8(ascii: "/")] + authority[mark...]
            }
            return authority[slash...]
        }
        throw .badRequest("the target must be a path that starts with /")
    }

    private static func decode(_ bytes: ArraySlice<UInt8>, plusIsSpace: Bool) throws(HTTPError) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var rest = bytes
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst()?.hexValue, let low = rest.popFirst()?.hexValue else {
                    throw .badRequest("a % in the target is not followed by two hexadecimal digits")
                }
                decoded.append(high << 4 | low)
            } else {
                decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
            }
        }
        guard plusIsSpace ? !decoded.contains(0) : !decoded.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw .badRequest("the target has a control character")
        }
        guard let text = String(validating: decoded, as: UTF8.self) else {
            throw .badRequest("the target is not UTF-8")
        }
        return text
    }
}
