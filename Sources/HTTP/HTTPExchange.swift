/// One finished exchange, for the request log and for metrics.
package struct HTTPExchange: Sendable {
    /// nil when the bytes could not be read as a request.
    package let method: String?
    /// The template of the route that matched; nil when none did.
    package let route: String?
    /// The path as it was sent, still percent-encoded, without the query.
    package let path: String?
    /// The status sent; 499 when the client left before there was an answer.
    package let status: Int
    /// Bytes of body sent.
    package let bytes: Int
    /// The time from the complete header (or the refusal) to the last byte sent.
    package let duration: Duration
    package let requestID: String
    package let remote: String
    /// False when the answer did not go out whole.
    package let isComplete: Bool
}
