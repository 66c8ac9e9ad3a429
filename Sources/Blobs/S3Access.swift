import Foundation

/// How an S3 service is reached: the variables that the AWS command line reads.
package struct S3Access: Sendable, Equatable {
    let key: String
    let secret: String
    /// The token of temporary credentials; nil for others.
    let token: String?
    let region: String
    /// The address of a service other than AWS, without a slash at its end; buckets are then the first segment of
    /// paths.
    let endpoint: String?

    /// - Throws: `BlobFault` that names the variable.
    package init(_ environment: [String: String]) throws(BlobFault) {
        func value(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        func needed(_ name: String) throws(BlobFault) -> String {
            guard let value = value(name) else {
                throw BlobFault("s3", "set \(name): credentials of S3 are read from the environment")
            }
            // It goes into a line of a header.
            guard value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw BlobFault("s3", "\(name) has characters that no credential has")
            }
            return value
        }
        key = try needed("AWS_ACCESS_KEY_ID")
        secret = try needed("AWS_SECRET_ACCESS_KEY")
        token = value("AWS_SESSION_TOKEN") == nil ? nil : try needed("AWS_SESSION_TOKEN")
        region = value("AWS_REGION", "AWS_DEFAULT_REGION") ?? "us-east-1"
        guard region.utf8.allSatisfy(BlobName.isPlain) else { throw BlobFault("s3", "AWS_REGION is '\(region)'") }
        let address = value("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        endpoint = address.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        if let endpoint {
            let parts = URLComponents(string: endpoint)
            guard ["http", "https"].contains(parts?.scheme ?? ""), parts?.host?.isEmpty == false, parts?.user == nil,
                parts?.query == nil
            else { throw BlobFault("s3", "AWS_ENDPOINT_URL is '\(endpoint)'; it must be http(s)://HOST[:PORT]") }
        }
    }

    /// The address of a bucket, without a slash at its end.
    package func address(of bucket: String) -> String {
        if let endpoint { return "\(endpoint)/\(bucket)" }
        // The certificate of AWS covers one label before the region.
        return bucket.contains(".")
            ? "https://s3.\(region).amazonaws.com/\(bucket)" : "https://\(bucket).s3.\(region).amazonaws.com"
    }
}
