import CCurl
import Foundation

/// One HTTP request to another server, carried out by libcurl on the calling thread. The proxy is that of libcurl's
/// environment variables. Redirects are not followed: a signed body goes only where the operator has sent it.
package struct WebRequest: Sendable {
    package var method: String
    /// `http` or `https`.
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    package var signature: Signature?
    /// Seconds for the whole exchange.
    package var timeout = 30
    /// Bytes of an answer; a longer answer is a failure.
    package var longestAnswer = 64 << 20

    package init(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
    ) {
        (self.method, self.url, self.headers, self.body) = (method, url, headers, body)
    }

    /// AWS Signature Version 4 of the request, made by libcurl.
    package struct Signature: Sendable {
        /// Of libcurl's form: `aws:amz:REGION:s3`.
        let kind: String
        let key: String
        let secret: String

        package init(kind: String, key: String, secret: String) {
            (self.kind, self.key, self.secret) = (kind, key, secret)
        }
    }

    package struct Answer: Sendable {
        package internal(set) var status = 0
        /// By names in lower case; of several fields of one name the last.
        package internal(set) var headers: [String: String] = [:]
        package internal(set) var body: [UInt8] = []

        package var isSuccess: Bool { (200..<300).contains(status) }
    }

    /// Why no whole answer came, in libcurl's words.
    package struct Failure: Error, Equatable, CustomStringConvertible {
        package let reason: String
        package var description: String { reason }
    }

    private static let isReady = curl_start() == CURLE_OK
    private static let longestHead = 1 << 17

    /// Sends the request and waits for the answer, of whatever status.
    /// - Parameter isCancelled: asked about once a second, and as bytes move; true ends the exchange.
    /// - Throws: `Failure`.
    package func send(isCancelled: @escaping () -> Bool = { false }) throws(Failure) -> Answer {
        guard Self.isReady, let handle = curl_easy_init() else { throw Failure(reason: "libcurl cannot be started") }
        defer { curl_easy_cleanup(handle) }
        var list: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(list) }
        for (name, value) in headers { list = curl_slist_append(list, "\(name): \(value)") }
        let reception = Reception(longest: longestAnswer, isCancelled: isCancelled)
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
        curl_set_number(handle, CURLOPT_NOSIGNAL, 1)
        curl_set_number(handle, CURLOPT_NOBODY, method == "HEAD" ? 1 : 0)
        curl_set_number(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        curl_set_number(handle, CURLOPT_TIMEOUT, timeout)
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
        guard code == CURLE_OK else {
            throw Failure(reason: reception.fault ?? String(cString: curl_easy_strerror(code)))
        }
        return reception.answer
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

    /// What libcurl's functions write to.
    private final class Reception {
        var answer = Answer()
        /// Why the exchange was ended from here.
        var fault: String?
        let isCancelled: () -> Bool
        private let longest: Int
        private var headBytes = 0

        init(longest: Int, isCancelled: @escaping () -> Bool) {
            self.longest = longest
            self.isCancelled = isCancelled
        }

        static func at(_ context: UnsafeMutableRawPointer?) -> Reception? {
            context.map { Unmanaged<Reception>.fromOpaque($0).takeUnretainedValue() }
        }

        /// A status line begins a head; an interim answer (100) may have one of its own before.
        func takeLine(_ line: UnsafeRawBufferPointer) -> Int {
            headBytes += line.count
            guard headBytes <= WebRequest.longestHead else { return refuse("the head of the answer is too long", line) }
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix("HTTP/") {
                answer = Answer(status: text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0)
            } else if let colon = text.firstIndex(of: ":") {
                let value = text[text.index(after: colon)...].trimmingCharacters(in: .whitespacesAndNewlines)
                answer.headers[text[..<colon].lowercased()] = value
            }
            return line.count
        }

        func takeBody(_ bytes: UnsafeRawBufferPointer) -> Int {
            guard answer.body.count + bytes.count <= longest else {
                return refuse("the answer has more than \(longest) bytes", bytes)
            }
            answer.body.append(contentsOf: bytes)
            return bytes.count
        }

        /// Any other count than that of the bytes ends the exchange.
        private func refuse(_ reason: String, _ bytes: UnsafeRawBufferPointer) -> Int {
            fault = reason
            return bytes.count == 0 ? 1 : 0
        }
    }
}
