import Foundation
import Support
import Synchronization
import Web

/// The hub's documented routes: what a repository holds, and the bytes of its files.
///
/// The token goes to the endpoint alone. Files lie with other hosts, to which the hub redirects with addresses that are signed.
package struct HubClient: Sendable {
    package let settings: HubSettings
    /// Seconds between attempts grow from this.
    private let pause: Double

    private static let attempts = 5
    private static let mostRedirects = 8
    private static let mostPages = 200
    private static let mostFiles = 100_000
    /// The most bytes of an answer in JSON, and of a refusal.
    private static let longestAnswer = 32 << 20
    private static let longestRefusal = 1 << 12

    package init(_ settings: HubSettings, pause: Double = 1) {
        self.settings = settings
        self.pause = pause
    }

    // MARK: What there is

    /// The commit that a revision stands for, and all files of it.
    /// - Throws: `HubError`.
    package func listing(of name: RepositoryName) throws -> RepositoryListing {
        guard !settings.isOffline else { throw HubError.offline(what: "\(name)") }
        let info = try json(
            "\(settings.endpoint)/api/models/\(name.id)/revision/\(PercentEncoding.text(name.revision))",
            what: "\(name)"
        ).value
        guard case .string(let commit)? = info["sha"], RepositoryListing.isCommit(commit) else {
            throw HubError.malformed(what: "\(name)", reason: "no \"sha\" of a commit")
        }
        var files: [RemoteFile] = []
        var next: String? = "\(settings.endpoint)/api/models/\(name.id)/tree/\(commit)?recursive=true"
        var pages = 0
        while let url = next {
            pages += 1
            guard pages <= Self.mostPages else {
                throw HubError.malformed(what: "\(name)", reason: "its list of files has no end")
            }
            let (value, head) = try json(url, what: "\(name)")
            guard case .array(let entries) = value else {
                throw HubError.malformed(what: "\(name)", reason: "its list of files is no array")
            }
            files += try entries.compactMap { try RemoteFile($0, of: name) }
            guard files.count <= Self.mostFiles else {
                throw HubError.malformed(what: "\(name)", reason: "more than \(Self.mostFiles) files")
            }
            next = try Self.nextPage(head.fields["link"], of: url, endpoint: settings.endpoint)
        }
        return RepositoryListing(name: name, commit: commit, files: files)
    }

    /// The address of the next page in `Link: <ADDRESS>; rel="next"`. It must be the endpoint's: the token goes there.
    private static func nextPage(_ link: String?, of url: String, endpoint: String) throws(HubError) -> String? {
        guard let link, link.contains("rel=\"next\""), let start = link.firstIndex(of: "<"),
            let end = link[start...].firstIndex(of: ">")
        else { return nil }
        let next = String(link[link.index(after: start)..<end])
        guard Origin(next) == Origin(endpoint), next != url else {
            throw .malformed(what: url, reason: "the next page of the list lies elsewhere")
        }
        return next
    }

    // MARK: The bytes of a file

    /// Where a file lies, of a commit.
    func address(of path: String, in listing: RepositoryListing) -> String {
        "\(settings.endpoint)/\(listing.name.id)/resolve/\(listing.commit)/\(PercentEncoding.text(path, keepsSlashes: true))"
    }

    /// Asks for a file's bytes from an offset on, through redirects.
    /// - Parameter receive: takes the final answer's head and parts of its body.
    /// - Throws: `WebTransfer.Failure` for what broke off, and what `receive` throws.
    func get(
        _ address: String, from offset: Int, isCancelled: @escaping () -> Bool,
        receive: @escaping (WebTransfer.Head, UnsafeRawBufferPointer) throws -> Void
    ) throws -> WebTransfer.Head {
        var url = address
        for _ in 0...Self.mostRedirects {
            var transfer = WebTransfer(url: url, headers: headers(for: url))
            transfer.stallSeconds = settings.stallSeconds
            if offset > 0 { transfer.headers.append("Range: bytes=\(offset)-") }
            let head = try transfer.run(isCancelled: isCancelled) { head, bytes in
                if !(300..<400 ~= head.status) { try receive(head, bytes) }
            }
            guard 300..<400 ~= head.status else { return head }
            url = try Self.target(of: head, from: url)
        }
        throw HubError.refused(url: address, status: 310, message: "more than \(Self.mostRedirects) redirects")
    }

    private static func target(of head: WebTransfer.Head, from url: String) throws(HubError) -> String {
        guard let next = head.redirect, let to = Origin(next), let from = Origin(url) else {
            throw .refused(url: url, status: head.status, message: "it redirects to no address")
        }
        guard to.scheme == "https" || from.scheme == "http" else {
            throw .refused(url: url, status: head.status, message: "it redirects to an address without encryption")
        }
        return next
    }

    private func headers(for url: String) -> [String] {
        var headers = ["User-Agent: phasor/\(Release.version)", "Accept-Encoding: identity"]
        if let token = settings.token, Origin(url) == Origin(settings.endpoint) {
            headers.append("Authorization: Bearer \(token)")
        }
        return headers
    }

    // MARK: Answers

    private func json(_ url: String, what: String) throws -> (value: JSON, head: WebTransfer.Head) {
        try repeated(url) {
            var body: [UInt8] = []
            let head = try get(url, from: 0, isCancelled: { false }) { head, bytes in
                guard body.count + bytes.count <= Self.longestAnswer else {
                    throw HubError.malformed(what: what, reason: "it has more than \(Self.longestAnswer) bytes")
                }
                body += bytes
            }
            guard head.status == 200 else { throw refusal(head, body[...], url: url, what: what) }
            do {
                return (try JSON(parsing: body, limits: JSON.Limits(bytes: Self.longestAnswer, depth: 64)), head)
            } catch {
                throw HubError.malformed(what: what, reason: "\(error)")
            }
        }
    }

    /// What an answer without the file says.
    func refusal(_ head: WebTransfer.Head, _ body: ArraySlice<UInt8>, url: String, what: String) -> any Error {
        let text = head.fields["x-error-message"] ?? ""
        let message = RemotePath.shown(text, longest: 300)
        switch head.status {
        case 401, 403:
            return HubError.denied(
                what: what, status: head.status, message: message, hasToken: settings.token != nil)
        case 404, 410: return HubError.absent(what: what, message: message)
        case 408, 425, 429, 500, 502, 503, 504:
            return Busy(
                seconds: head.fields["retry-after"].flatMap { Double($0) },
                error: .refused(url: url, status: head.status, message: message))
        default: return HubError.refused(url: url, status: head.status, message: message)
        }
    }

    /// An answer that asks for patience.
    struct Busy: Error {
        let seconds: Double?
        let error: HubError
    }

    /// Carries out what may break off, again as long as it may do better: five times without any progress at most.
    /// - Parameter progress: tells how far it is; nil for what begins anew each time.
    func repeated<Value>(
        _ url: String, isCancelled: () -> Bool = { false }, progress: (() -> Int)? = nil, _ body: () throws -> Value
    ) throws -> Value {
        var failures = 0
        var best = progress?() ?? 0
        while true {
            var wait: Double
            let last: HubError
            do {
                return try body()
            } catch let failure as WebTransfer.Failure {
                if isCancelled() { throw HubError.cancelled }
                last = .unreachable(url: url, reason: failure.reason)
                guard failure.isTransient else { throw last }
                wait = pause * Double(1 << failures)
            } catch let busy as Busy {
                last = busy.error
                wait = min(max(busy.seconds ?? pause * Double(1 << failures), 0), 60)
            }
            let now = progress?() ?? 0
            if now > best {
                (best, failures, wait) = (now, 0, min(wait, pause))
            } else {
                failures += 1
            }
            guard failures < Self.attempts else { throw last }
            var rest = wait
            while rest > 0, !isCancelled() {
                Thread.sleep(forTimeInterval: min(rest, 0.2))
                rest -= 0.2
            }
            if isCancelled() { throw HubError.cancelled }
        }
    }
}
