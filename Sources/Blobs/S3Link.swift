import Foundation
import Support

/// An address that opens one blob of S3 to whoever has it, for a while: AWS Signature Version 4 in the query.
///
/// Reference: "Authenticating Requests: Using Query Parameters" in the API reference of Amazon S3.
package struct S3Link {
    private let access: S3Access
    private let address: String

    /// - Parameter address: the blob's, of characters that mean themselves.
    package init(access: S3Access, address: String) {
        (self.access, self.address) = (access, address)
    }

    /// - Parameters:
    ///   - seconds: how long the link opens, from `date` on; S3 takes at most 604,800.
    ///   - date: when it is signed, by a clock that the service agrees with to some minutes.
    /// - Returns: nil for an address without a host.
    package func text(seconds: Int, date: Date) -> String? {
        guard let parts = URLComponents(string: address), let host = parts.host else { return nil }
        let time = Self.time(date)
        let scope = "\(time.prefix(8))/\(access.region)/s3/aws4_request"
        // In the order of the alphabet, as the signature has them.
        var fields = [
            ("X-Amz-Algorithm", Self.algorithm), ("X-Amz-Credential", "\(access.key)/\(scope)"), ("X-Amz-Date", time),
            ("X-Amz-Expires", "\(seconds)"),
        ]
        if let token = access.token { fields.append(("X-Amz-Security-Token", token)) }
        fields.append(("X-Amz-SignedHeaders", "host"))
        let query = fields.map { "\($0.0)=\(PercentEncoding.text($0.1))" }.joined(separator: "&")
        let request = [
            "GET", parts.percentEncodedPath, query, "host:\(host)\(parts.port.map { ":\($0)" } ?? "")", "", "host",
            "UNSIGNED-PAYLOAD",
        ]
        let digest = SHA256.hexadecimal(of: Array(request.joined(separator: "\n").utf8))
        let signed = [Self.algorithm, time, scope, digest].joined(separator: "\n")
        let keys = [String(time.prefix(8)), access.region, "s3", "aws4_request"]
        let key = keys.reduce(Array("AWS4\(access.secret)".utf8)) { HMAC.code(of: Array($1.utf8), key: $0) }
        let signature = Hexadecimal.text(HMAC.code(of: Array(signed.utf8), key: key))
        return "\(address)?\(query)&X-Amz-Signature=\(signature)"
    }

    private static let algorithm = "AWS4-HMAC-SHA256"

    /// Such as `20130524T000000Z`.
    private static func time(_ date: Date) -> String {
        let day = Date.ISO8601FormatStyle.iso8601.year().month().day().dateSeparator(.omitted)
        return date.ISO8601Format(day.time(includingFractionalSeconds: false).timeSeparator(.omitted)) + "Z"
    }
}
