import Foundation

/// Where the hub is, with whose token it is asked, and where its files are kept: the environment that `huggingface_hub` reads
/// too, so that both share one cache.
package struct HubSettings: Sendable {
    /// The hub's address without a slash at its end.
    package let endpoint: String
    package let token: String?
    /// The folder of `models--OWNER--NAME`.
    package let cache: String
    package let isOffline: Bool
    /// The seconds after which the client gives up a connection that brings nothing, and makes it anew.
    package let stallSeconds: Int

    package static let publicEndpoint = "https://huggingface.co"

    /// - Parameters:
    ///   - environment: `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`,
    ///     `HF_HUB_DOWNLOAD_TIMEOUT`, `XDG_CACHE_HOME`.
    ///   - home: the user's folder.
    /// - Throws: `HubError.badSetting`.
    package init(environment: [String: String], home: String) throws(HubError) {
        func value(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        func path(_ text: String) -> String {
            text == "~" || text.hasPrefix("~/") ? home + text.dropFirst() : text
        }
        var endpoint = value("HF_ENDPOINT") ?? Self.publicEndpoint
        while endpoint.hasSuffix("/") { endpoint.removeLast() }
        guard Origin(endpoint) != nil else {
            throw .badSetting(name: "HF_ENDPOINT", reason: "expected http://HOST or https://HOST")
        }
        self.endpoint = endpoint
        let own = value("HF_HOME") ?? "\(value("XDG_CACHE_HOME") ?? "\(home)/.cache")/huggingface"
        cache = path(value("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? "\(own)/hub")
        isOffline = ["1", "ON", "YES", "TRUE"].contains(value("HF_HUB_OFFLINE")?.uppercased() ?? "")
        stallSeconds = max(1, value("HF_HUB_DOWNLOAD_TIMEOUT").flatMap { Int($0) } ?? 30)
        let stored = path(value("HF_TOKEN_PATH") ?? "\(own)/token")
        let text =
            value("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
            ?? FileManager.default.contents(atPath: stored).map { String(decoding: $0.prefix(4096), as: UTF8.self) }
        let token = text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
        // A line break in it would be a header of its own.
        guard token.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
            throw .badSetting(name: "HF_TOKEN", reason: "it has characters that no token has")
        }
        self.token = token.isEmpty ? nil : token
    }
}

/// Scheme, host and port: whom a token is meant for.
struct Origin: Equatable {
    let scheme: String
    let host: String
    let port: Int

    init?(_ url: String) {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
            ["http", "https"].contains(scheme), let host = parts.host?.lowercased(), !host.isEmpty,
            parts.user == nil, parts.password == nil
        else { return nil }
        self.scheme = scheme
        self.host = host
        port = parts.port ?? (scheme == "https" ? 443 : 80)
    }
}
