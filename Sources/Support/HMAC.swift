/// HMAC-SHA256 (RFC 2104): shows that a text comes from whoever knows the key.
package enum HMAC {
    private static let blockBytes = 64

    /// - Returns: 32 bytes.
    package static func code(of message: some Collection<UInt8>, key: [UInt8]) -> [UInt8] {
        var block = key.count > blockBytes ? SHA256.digest(key) : key
        block += [UInt8](repeating: 0, count: blockBytes - block.count)
        let inner = SHA256.digest(block.map { $0 ^ 0x36 } + message)
        return SHA256.digest(block.map { $0 ^ 0x5C } + inner)
    }

    /// Whether two codes are the same, in a time that does not tell how much of them is.
    package static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
