import Foundation
import HTTP

/// The ways in which clients send an API key: `Authorization: Bearer KEY`, the password of `Authorization: Basic`, and
/// the headers `api-key` and `x-api-key`.
enum Credentials {
    /// What a request offers as its key; each may be right. A proxy in front may have added one of its own.
    static func all(of headers: HTTPHeaders) -> [String] {
        var offered = headers.all("Authorization").compactMap(key)
        for name in ["api-key", "x-api-key"] { offered += headers.all(name) }
        return offered
    }

    private static func key(ofAuthorization field: String) -> String? {
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        let value = parts[1].drop { $0 == " " }
        switch parts[0].lowercased() {
        case "bearer": return String(value)
        case "basic": return password(String(value))
        default: return nil
        }
    }

    /// The password in base64's `user:password` (RFC 7617). The user's name counts only where it is all there is: `curl
    /// -u KEY:`.
    private static func password(_ value: String) -> String? {
        // Some clients leave the padding out.
        let padding = String(repeating: "=", count: (4 - value.utf8.count % 4) % 4)
        guard let bytes = Data(base64Encoded: value + padding),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        let password = bytes[bytes.index(after: colon)...]
        return String(validating: password.isEmpty ? bytes[..<colon] : password, as: UTF8.self)
    }
}
