import Foundation
import HTTP
import Jobs
import Media
import Support

/// Links to finished files that open without a key, for a limited time: what a chat shows a picture by cannot send one.
///
/// A link carries the second of its end and the HMAC-SHA256 of both, `?expires=1795999999&signature=...`. Who has the
/// link has the file; nobody can make a link without the server's secret.
package struct ArtifactLinks: Sendable {
    private let secret: [UInt8]
    private let seconds: Int
    var address = PublicAddress()

    static let template = "/v1/artifacts/{id}"
    package static let secretBytes = 32

    /// - Parameters:
    ///   - secret: outlives the process if the links shall.
    ///   - seconds: how long a link opens.
    package init(secret: [UInt8], seconds: Int = 24 * 3600) {
        self.secret = secret
        self.seconds = seconds
    }

    /// Links that only this process signs and accepts.
    package init() {
        self.init(secret: (0..<Self.secretBytes).map { _ in UInt8.random(in: .min ... .max) })
    }

    /// The whole address of an artifact, as the client reaches the server.
    func url(of artifact: Artifact, for request: HTTPRequest, now: Date = Date()) -> String {
        let expires = Int(now.timeIntervalSince1970) + seconds
        let signature = Hexadecimal.text(code(artifact.id, expires))
        return "\(address.base(of: request))\(artifact.url)?expires=\(expires)&signature=\(signature)"
    }

    /// Whether a request is of such a link that has not expired.
    func opens(_ request: HTTPRequest, now: Date = Date()) -> Bool {
        guard request.route == Self.template, request.method == "GET" || request.method == "HEAD",
            let expires = request.query("expires").flatMap({ Int($0) }),
            let given = request.query("signature").flatMap({ Hexadecimal.bytes($0) }),
            expires > Int(now.timeIntervalSince1970)
        else { return false }
        return HMAC.areEqual(code(Self.id(request), expires), given)
    }

    /// The artifact that a path means: `image_7f-0` and `image_7f-0.png` are the same.
    static func id(_ request: HTTPRequest) -> String {
        let name = request.parameters["id"] ?? ""
        let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 && FileType(rawValue: String(parts[1])) != nil ? String(parts[0]) : name
    }

    private func code(_ id: String, _ expires: Int) -> [UInt8] {
        HMAC.code(of: Array("artifact\n\(id)\n\(expires)".utf8), key: secret)
    }
}
