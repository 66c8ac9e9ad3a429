import Support

/// Lets a client send a request again without having it done again.
package struct Idempotency: Sendable, Equatable {
    /// What the client chose, the Idempotency-Key header.
    package let key: String
    /// Tells requests apart: FNV-1a, 64 bits, of the body. A client could fool only itself.
    package let fingerprint: String
    /// Whose choice the key is: two clients may choose the same.
    private(set) var owner: String?

    package init(key: String, body: some Sequence<UInt8>) {
        self.key = key
        fingerprint = String(FNV1a.hash(body), radix: 16)
    }

    /// What the store knows it by. No owner's name has a blank in it.
    package var stored: String { owner.map { "\($0) \(key)" } ?? key }

    package func owned(by owner: String?) -> Idempotency {
        var copy = self
        copy.owner = owner
        return copy
    }
}
