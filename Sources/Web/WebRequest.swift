/// One HTTP request to another server whose answer is small enough to be held in memory.
package struct WebRequest: Sendable {
    private var transfer: WebTransfer
    package var headers: [(name: String, value: String)]
    /// Bytes of an answer; a longer answer is a failure.
    package var longestAnswer = 64 << 20

    package typealias Signature = WebTransfer.Signature
    package typealias Failure = WebTransfer.Failure

    package init(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
    ) {
        transfer = WebTransfer(url: url)
        self.headers = headers
        (transfer.method, transfer.body, transfer.deadline) = (method, body, 30)
    }

    package var signature: Signature? {
        get { transfer.signature }
        set { transfer.signature = newValue }
    }

    /// Seconds for the whole exchange.
    package var timeout: Int {
        get { transfer.deadline ?? 0 }
        set { transfer.deadline = newValue }
    }

    /// Seconds to wait for a connection, and for the next byte.
    package var stallSeconds: Int {
        get { transfer.stallSeconds }
        set { transfer.stallSeconds = newValue }
    }

    package struct Answer: Sendable {
        package let status: Int
        /// The fields by names in lower case; the last of several fields of one name.
        package let headers: [String: String]
        package let body: [UInt8]

        package var isSuccess: Bool { (200..<300).contains(status) }
    }

    /// Sends the request and waits for the answer, of whatever status.
    /// - Parameter isCancelled: asked about once a second, and as bytes move; true ends the exchange.
    /// - Throws: `Failure`, why no whole answer came.
    package func send(isCancelled: @escaping () -> Bool = { false }) throws(Failure) -> Answer {
        var body: [UInt8] = []
        var transfer = transfer
        transfer.headers = headers.map { "\($0.name): \($0.value)" }
        do {
            let head = try transfer.run(isCancelled: isCancelled) { [longestAnswer] _, bytes in
                guard body.count + bytes.count <= longestAnswer else {
                    throw Failure(reason: "the answer has more than \(longestAnswer) bytes")
                }
                body.append(contentsOf: bytes)
            }
            return Answer(status: head.status, headers: head.fields, body: body)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(reason: "\(error)")
        }
    }
}
