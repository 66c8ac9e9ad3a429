import Foundation
import Support

/// The addresses that are told when a job has ended, and the secret that shows that this server told it.
package struct WebhookOptions: Sendable {
    package var urls: [String] = []
    /// File of the secret; nil for `webhook-secret` in the state folder, which is made where it is missing.
    package var secretFile: String?
    /// The secret itself, where no file is named and there is another place for it; nil for the state folder.
    package var secret: String?

    package init() {}

    /// Whether a request can be sent to the text. A name and a password in it would stand in logs, and are refused.
    package static func isAddress(_ text: String) -> Bool {
        guard let parts = URLComponents(string: text), let host = parts.host, !host.isEmpty else { return false }
        return ["http", "https"].contains(parts.scheme?.lowercased() ?? "") && parts.user == nil
            && parts.password == nil && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}

/// The key that webhooks are signed with, as Standard Webhooks writes it: `whsec_` and the Base64 of 24 to 64 bytes.
package struct WebhookSecret: Sendable {
    let key: [UInt8]

    private static let prefix = "whsec_"
    package static let name = "webhook-secret"

    /// Makes a new one.
    package static func text() -> String {
        var random = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        return prefix + Data(bytes).base64EncodedString()
    }

    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    init?(_ text: String) {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard text.hasPrefix(Self.prefix), let data = Data(base64Encoded: String(text.dropFirst(Self.prefix.count))),
            (24...64).contains(data.count)
        else { return nil }
        key = [UInt8](data)
    }

    /// Reads a file, which is made where there is none and none was named.
    /// - Throws: `Fault`, `FileFault`.
    init(file: String?, folder: String) throws {
        let path = file ?? "\(folder)/\(Self.name)"
        if file == nil, access(path, F_OK) != 0 {
            try AtomicFile.write(Array((Self.text() + "\n").utf8), to: path, mode: 0o600)
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Fault(description: "\(path): the webhook secret cannot be read: \(String(cString: strerror(errno)))")
        }
        guard let secret = Self(String(decoding: data, as: UTF8.self)) else {
            throw Fault(description: "\(path): a webhook secret is whsec_ and the Base64 of 24 to 64 bytes")
        }
        self = secret
    }

    /// The signature of one attempt (https://www.standardwebhooks.com): HMAC-SHA256 of id, time and body.
    /// - Parameter time: Unix seconds.
    func signature(id: String, time: Int, body: [UInt8]) -> String {
        let signed = Array("\(id).\(time).".utf8) + body
        return "v1," + Data(HMAC.code(of: signed, key: key)).base64EncodedString()
    }
}
