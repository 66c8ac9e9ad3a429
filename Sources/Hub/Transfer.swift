import CCurl
import Foundation

/// One GET by libcurl, carried out on the calling thread. Redirects are not followed here: whoever asks decides where its token
/// may go.
struct Transfer {
    let url: String
    /// Lines such as `Range: bytes=0-9`.
    var headers: [String] = []
    var stallSeconds = 30

    /// What came before the body.
    struct Head {
        var status = 0
        /// By names in lower case; of several the last.
        var fields: [String: String] = [:]
        /// `Location` as an absolute address.
        var redirect: String?
    }

    /// libcurl's reason for an answer that did not come, or not to its end.
    struct Failure: Error {
        let reason: String
        /// Whether another attempt may do better.
        let isTransient: Bool
    }

    private static let isReady = curl_start() == CURLE_OK
    private static let longestHead = 1 << 17

    /// - Parameters:
    ///   - isCancelled: asked now and then; true ends the transfer.
    ///   - receive: takes the head and each part of the body as it comes; an error that it throws ends the transfer.
    /// - Throws: `Failure`, or what `receive` throws.
    func run(
        isCancelled: @escaping () -> Bool = { false }, receive: @escaping (Head, UnsafeRawBufferPointer) throws -> Void
    ) throws -> Head {
        guard Self.isReady, let handle = curl_easy_init() else {
            throw Failure(reason: "libcurl cannot be started", isTransient: false)
        }
        defer { curl_easy_cleanup(handle) }
        var list: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(list) }
        for line in headers { list = curl_slist_append(list, line) }
        let reception = Reception(isCancelled: isCancelled, receive: receive)
        let context = Unmanaged.passUnretained(reception).toOpaque()
        curl_set_text(handle, CURLOPT_URL, url)
        curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        curl_set_pointer(handle, CURLOPT_HTTPHEADER, list)
        curl_set_number(handle, CURLOPT_FOLLOWLOCATION, 0)
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
        let code = withExtendedLifetime(reception) { curl_easy_perform(handle) }
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

    /// What another attempt may do better.
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

        /// A status line begins a head: of an interim answer (100) first, now and then.
        func takeLine(_ line: UnsafeRawBufferPointer) -> Int {
            headBytes += line.count
            guard headBytes <= Transfer.longestHead else { return 0 }
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
