import Foundation
import Support
import Web

/// Blobs in a bucket of S3, or of a service that speaks as S3 does. libcurl signs (AWS Signature Version 4), the digest of
/// the body included. Blobs of more than 16 MB are put in parts.
package struct S3Blobs: BlobStore {
    private let access: S3Access
    private let bucket: String
    private let prefix: String
    private let partBytes: Int

    private static let attempts = 4
    /// Seconds for an exchange in which bytes move: a part of 16 MB over a slow line.
    private static let longestExchange = 120
    /// Seconds without a byte after which an exchange has failed, and after which no attempt follows a failed one.
    private let stallSeconds: Int

    package var location: String { "s3://\(bucket)/\(prefix)" }

    /// - Parameters:
    ///   - prefix: without slashes at its ends; may be empty.
    ///   - partBytes: bytes of all parts but the last; S3 takes no less than 5 MB.
    ///   - stallSeconds: how long a service that says nothing is waited for.
    package init(
        _ access: S3Access, bucket: String, prefix: String, partBytes: Int = 16 << 20, stallSeconds: Int = 15
    ) {
        (self.access, self.bucket, self.prefix, self.partBytes) = (access, bucket, prefix, partBytes)
        self.stallSeconds = stallSeconds
    }

    package func put(_ bytes: [UInt8], as name: BlobName) throws(BlobFault) {
        guard bytes.count > partBytes else {
            try ask("PUT", name, body: bytes)
            return
        }
        let begun = try ask("POST", name, query: "uploads=")
        guard let upload = Self.element("UploadId", in: begun.body).map({ PercentEncoding.text($0) }) else {
            throw fault(name, "the service has begun an upload in parts without saying which")
        }
        do throws(BlobFault) {
            var parts = ""
            for (index, start) in stride(from: 0, to: bytes.count, by: partBytes).enumerated() {
                let part = Array(bytes[start..<min(start + partBytes, bytes.count)])
                let answer = try ask("PUT", name, query: "partNumber=\(index + 1)&uploadId=\(upload)", body: part)
                guard let tag = answer.headers["etag"], !tag.utf8.contains(where: { "<&>".utf8.contains($0) }) else {
                    throw fault(name, "the service took a part without an ETag")
                }
                parts += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(tag)</ETag></Part>"
            }
            let list = "<CompleteMultipartUpload>\(parts)</CompleteMultipartUpload>"
            let end = try ask("POST", name, query: "uploadId=\(upload)", body: Array(list.utf8))
            // S3 may answer 200 before it knows.
            if let code = Self.element("Code", in: end.body) { throw fault(name, code) }
        } catch {
            _ = try? ask("DELETE", name, query: "uploadId=\(upload)")
            throw error
        }
    }

    package func read(_ name: BlobName, _ range: Range<Int>?) throws(BlobFault) -> [UInt8]? {
        if let range, range.isEmpty { return try size(of: name) == nil ? nil : [] }
        // Of a range that begins beyond the end nothing is there.
        let header = range.map { [("Range", "bytes=\($0.lowerBound)-\($0.upperBound - 1)")] } ?? []
        let answer = try ask("GET", name, headers: header, allowed: [404, 416])
        switch answer.status {
        case 404:
            let code = Self.element("Code", in: answer.body)
            guard code == nil || code == "NoSuchKey" else { throw fault(name, code ?? "") }
            return nil
        case 416: return []
        // Some services answer 200 to a range as well.
        case 200 where answer.headers["content-range"] == nil:
            return range.map { Array(answer.body[$0.clamped(to: 0..<answer.body.count)]) } ?? answer.body
        default: return answer.body
        }
    }

    package func size(of name: BlobName) throws(BlobFault) -> Int? {
        let answer = try ask("HEAD", name, allowed: [404])
        guard answer.status != 404 else { return nil }
        guard let bytes = answer.headers["content-length"].flatMap({ Int($0) }) else {
            throw fault(name, "the service does not say how long it is")
        }
        return bytes
    }

    package func names(startingWith prefix: BlobName) throws(BlobFault) -> [BlobName] {
        let folder = self.prefix.isEmpty ? "" : "\(self.prefix)/"
        var names: [BlobName] = []
        var next: String?
        repeat {
            // In the order of the alphabet, as the signature has them.
            let query =
                (next.map { "continuation-token=\(PercentEncoding.text($0))&" } ?? "")
                + "list-type=2&prefix=\(PercentEncoding.text(folder + prefix.description))"
            let answer = try ask("GET", at: access.address(of: bucket) + "/", as: place(of: prefix), query: query)
            names += Self.elements("Key", in: answer.body).compactMap { key in
                key.hasPrefix(folder) ? BlobName(String(key.dropFirst(folder.count))) : nil
            }
            let former = next
            next = Self.element("NextContinuationToken", in: answer.body)
            guard next == nil || next != former else { throw fault(prefix, "the service lists the same names again") }
        } while next != nil
        return names
    }

    package func link(to name: BlobName, seconds: Int) -> String? {
        S3Link(access: access, address: address(of: name)).text(seconds: seconds, date: Date())
    }

    package func delete(_ name: BlobName) throws(BlobFault) { try ask("DELETE", name, allowed: [404]) }

    // MARK: Asking

    @discardableResult
    private func ask(
        _ method: String, _ name: BlobName, query: String? = nil, headers: [(String, String)] = [], body: [UInt8] = [],
        allowed: Set<Int> = []
    ) throws(BlobFault) -> WebRequest.Answer {
        try ask(
            method, at: address(of: name), as: place(of: name), query: query,
            headers: headers + [("Content-Type", ContentType.of(name.description))], body: body, allowed: allowed)
    }

    /// Asks again where the service is not there, or says that it cannot just now: a few times, and no longer than
    /// `stallSeconds` after the first.
    /// - Parameters:
    ///   - place: what a fault names.
    ///   - allowed: what is an answer besides 2xx.
    private func ask(
        _ method: String, at address: String, as place: String, query: String? = nil, headers: [(String, String)] = [],
        body: [UInt8] = [], allowed: Set<Int> = []
    ) throws(BlobFault) -> WebRequest.Answer {
        var request = WebRequest(method, address + (query.map { "?\($0)" } ?? ""), body: body)
        request.headers = headers + [("x-amz-content-sha256", SHA256.hexadecimal(of: body))]
        if let token = access.token { request.headers.append(("x-amz-security-token", token)) }
        request.signature = WebRequest.Signature(
            kind: "aws:amz:\(access.region):s3", key: access.key, secret: access.secret)
        request.timeout = Self.longestExchange
        request.stallSeconds = stallSeconds
        let begun = ContinuousClock.now
        var reason = ""
        for attempt in 0..<Self.attempts {
            if attempt > 0 { Thread.sleep(forTimeInterval: 0.1 * exp2(Double(attempt))) }
            do throws(WebRequest.Failure) {
                let answer = try request.send()
                if answer.isSuccess || allowed.contains(answer.status) { return answer }
                let code = Self.element("Code", in: answer.body)
                reason = "it answered \(answer.status)" + (code.map { " (\($0))" } ?? "")
                guard answer.status >= 500 || answer.status == 429 else { break }
            } catch {
                reason = error.reason
            }
            guard ContinuousClock.now - begun < .seconds(stallSeconds) else { break }
        }
        throw BlobFault(place, reason)
    }

    private func key(of name: BlobName) -> String { prefix.isEmpty ? "\(name)" : "\(prefix)/\(name)" }

    private func address(of name: BlobName) -> String { "\(access.address(of: bucket))/\(key(of: name))" }

    private func place(of name: BlobName) -> String { "s3://\(bucket)/\(key(of: name))" }

    private func fault(_ name: BlobName, _ reason: String) -> BlobFault { BlobFault(place(of: name), reason) }

    /// The text of the first element of that name.
    private static func element(_ name: String, in xml: [UInt8]) -> String? { elements(name, in: xml).first }

    /// The texts of the elements of that name that hold nothing but text.
    private static func elements(_ name: String, in xml: [UInt8]) -> [String] {
        let text = String(decoding: xml, as: UTF8.self)
        var texts: [String] = []
        var rest = text[...]
        while let start = rest.range(of: "<\(name)>"),
            let end = rest.range(of: "</\(name)>", range: start.upperBound..<rest.endIndex)
        {
            let content = rest[start.upperBound..<end.lowerBound]
            if !content.utf8.contains(UInt8(ascii: "<")) { texts.append(String(content)) }
            rest = rest[end.upperBound...]
        }
        return texts
    }
}
