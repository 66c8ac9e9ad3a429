import CCurl
import Foundation

/// One HTTP exchange with another server, carried out by libcurl on the calling thread. The proxy is that of libcurl's
/// environment variables. libcurl follows no redirect: whoever asks decides where a token or a signed body may go.
package struct WebTransfer: Sendable {
    package var method = "GET"
    /// `http` or `https`.
    package var url: String
    /// Lines such as `Range: bytes=0-9`.
    package var headers: [String] = []
    package var body: [UInt8] = []
    package var signature: Signature?
    /// Seconds for the whole exchange; nil for as long as bytes come.
    package var deadline: Int?
    /// Seconds to wait for a connection, and for the next byte.
    package var stallSeconds = 30

    package init(url: String, headers: [String] = []) {
        self.url = url
        self.headers = headers
    }

    /// AWS Signature Version 4 of the request, made by libcurl.
    package struct Signature: Sendable {
        /// libcurl's form: `aws:amz:REGION:s3`.
        let kind: String
        let key: String
        let secret: String

        package init(kind: String, key: String, secret: String) {
            (self.kind, self.key, self.secret) = (kind, key, secret)
        }
    }

    /// What came before the body.
    package struct Head: Sendable {
        package internal(set) var status = 0
        /// The fields by names in lower case; the last of several fields of one name.
        package internal(set) var fields: [String: String] = [:]
        /// `Location` as an absolute address.
        package internal(set) var redirect: String?
    }

    /// libcurl's reason for an answer that did not come, or not to its end.
    package struct Failure: Error, Equatable, CustomStringConvertible {
        package let reason: String
        /// Whether another attempt may do better.
        package let isTransient: Bool
        package var description: String { reason }

        package init(reason: String, isTransient: Bool = false) {
            (self.reason, self.isTransient) = (reason, isTransient)
        }
    }

    private static let isReady = curl_start() == CURLE_OK
    private static let longestHead = 1 << 17

    /// Sends the request and hands on the answer, of whatever status.
    /// - Parameters:
    ///   - isCancelled: libcurl asks about once a second, and as bytes move; true ends the transfer.
    ///   - receive: takes the head and each part of the body as it comes; an error that it throws ends the transfer.
    /// - Throws: `Failure`, or what `receive` throws.
    package func run(
        isCancelled: @escaping () -> Bool = { false }, receive: @escaping (Head, UnsafeRawBufferPointer) throws -> Void
    ) throws -> Head {
        guard Self.isReady, let handle = curl_easy_init() else {
            throw Failure(reason: "libcurl cannot be started")
        }
        defer { curl_easy_cleanup(handle) }
        var list: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(list) }
        for line in headers { list = curl_slist_append(list, line) }
        let reception = Reception(isCancelled: isCancelled, receive: receive)
        let context = Unmanaged.passUnretained(reception).toOpaque()
        curl_set_text(handle, CURLOPT_URL, url)
        curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        curl_set_text(handle, CURLOPT_CUSTOMREQUEST, method)
        curl_set_pointer(handle, CURLOPT_HTTPHEADER, list)
        if let signature {
            curl_set_text(handle, CURLOPT_AWS_SIGV4, signature.kind)
            curl_set_text(handle, CURLOPT_USERNAME, signature.key)
            curl_set_text(handle, CURLOPT_PASSWORD, signature.secret)
        }
        curl_set_number(handle, CURLOPT_FOLLOWLOCATION, 0)
        // A large body does not wait for the server's leave. An empty Expect among the headers would break signatures.
        curl_set_number(handle, CURLOPT_EXPECT_100_TIMEOUT_MS, 1)
        curl_set_number(handle, CURLOPT_NOBODY, method == "HEAD" ? 1 : 0)
        if let deadline { curl_set_number(handle, CURLOPT_TIMEOUT, deadline) }
        curl_set_number(handle, CURLOPT_NOSIGNAL, 1)
        curl_set_number(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        curl_set_number(handle, CURLOPT_CONNECTTIMEOUT, stallSeconds)
        curl_set_number(handle, CURLOPT_LOW_SPEED_LIMIT, 1)
        curl_set_number(handle, CURLOPT_LOW_SPEED_TIME, stallSeconds)
        curl_set_number(handle, CURLOPT_BUFFERSIZE, 1 << 19)
        curl_set_number(handle, CURLOPT_NOPROGRESS, 0)
        curl_set_pointer(handle, CURLOPT_XFERINFODATA, context)
        curl_set_watcher(handle) { context, _, _, _, _ in Reception.at(context)?.isCancelled() == true ? 1 : 0 }
        curl_set_pointer(handle, CURLOPT_HEADERDATA, context)
        curl_set_receiver(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            Reception.at(context)?.takeLine(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
        }
        curl_set_pointer(handle, CURLOPT_WRITEDATA, context)
        curl_set_receiver(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            Reception.at(context)?.takeBody(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
        }
        let code = withExtendedLifetime(reception) { perform(handle) }
        if let error = reception.error { throw error }
        guard code == CURLE_OK else {
            throw Failure(
                reason: String(cString: curl_easy_strerror(code)), isTransient: Self.transient.contains(code))
        }
        var redirect: UnsafePointer<CChar>?
        if curl_get_text(handle, CURLINFO_REDIRECT_URL, &redirect) == CURLE_OK, let redirect {
            reception.head.redirect = String(cString: redirect)
        }
        return reception.head
    }

    /// libcurl reads the body where it lies.
    private func perform(_ handle: UnsafeMutableRawPointer) -> CURLcode {
        guard !body.isEmpty || ["POST", "PUT"].contains(method) else { return curl_easy_perform(handle) }
        // An empty array has no address, and no address would mean that the body is read from a function.
        let bytes = body.isEmpty ? [0] : body
        return bytes.withUnsafeBytes { buffer in
            curl_set_number(handle, CURLOPT_POSTFIELDSIZE, body.count)
            curl_set_pointer(handle, CURLOPT_POSTFIELDS, UnsafeMutableRawPointer(mutating: buffer.baseAddress))
            return curl_easy_perform(handle)
        }
    }

    /// The failures after which another attempt may do better.
    private static let transient: Set<CURLcode> = [
        CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_PARTIAL_FILE,
        CURLE_OPERATION_TIMEDOUT, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_SSL_CONNECT_ERROR,
        CURLE_HTTP2, CURLE_HTTP2_STREAM, CURLE_WEIRD_SERVER_REPLY,
    ]

    /// What libcurl's functions write to.
    private final class Reception {
        var head = Head()
        var error: (any Error)?
        let isCancelled: () -> Bool
        private let receive: (Head, UnsafeRawBufferPointer) throws -> Void
        private var headBytes = 0

        init(isCancelled: @escaping () -> Bool, receive: @escaping (Head, UnsafeRawBufferPointer) throws -> Void) {
            self.isCancelled = isCancelled
            self.receive = receive
        }

        static func at(_ context: UnsafeMutableRawPointer?) -> Reception? {
            context.map { Unmanaged<Reception>.fromOpaque($0).takeUnretainedValue() }
        }

        /// A status line begins a head; an interim answer (100) may have one of its own before.
        func takeLine(_ line: UnsafeRawBufferPointer) -> Int {
            headBytes += line.count
            guard headBytes <= WebTransfer.longestHead else {
                error = Failure(reason: "the head of the answer is too long")
                return line.count == 0 ? 1 : 0
            }
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix("HTTP/") {
                head = Head(status: text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0)
            } else if let colon = text.firstIndex(of: ":") {
                let name = text[..<colon].lowercased()
                head.fields[name] = text[text.index(after: colon)...].trimmingCharacters(in: .whitespacesAndNewlines)
            }
            return line.count
        }

        func takeBody(_ bytes: UnsafeRawBufferPointer) -> Int {
            do {
                try receive(head, bytes)
                return bytes.count
            } catch {
                self.error = error
                // Any other count than that of the bytes ends the transfer.
                return bytes.count == 0 ? 1 : 0
            }
        }
    }
}
