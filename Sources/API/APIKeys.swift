import HTTP
import Support

/// The keys that open the API, as SHA-256 digests: a key itself is neither kept in memory nor needed on disk.
package struct APIKeys: Sendable {
    private struct Key: Sendable {
        let digest: [UInt8]
        /// The key sees and changes the jobs of all keys.
        let isOperators: Bool
    }

    private let keys: [Key]

    /// No keys: everybody may.
    package static let none = APIKeys(keys: [])

    package var isEmpty: Bool { keys.isEmpty }

    /// Whether several clients are told apart by their keys.
    package var areSeveral: Bool { keys.count > 1 }

    private init(keys: [Key]) {
        self.keys = keys
    }

    /// - Parameter file: a key a line, or `sha256:` and the 64 hexadecimal digits of a key's digest, either after
    ///   `operator:` for a key that sees the jobs of all. Empty lines, and what follows a # at the start of a line or
    ///   after a blank, are skipped.
    /// - Throws: `APIKeyFault` for a line that is no key, for a file without any, and for one that is no text.
    package init(file: some Collection<UInt8>) throws(APIKeyFault) {
        var keys: [Key] = []
        for (index, line) in try KeyFileText(file).lines.enumerated() {
            guard !line.isEmpty else { continue }
            do throws(APIKeyFault) {
                keys.append(try Self.key(of: line))
            } catch {
                throw APIKeyFault(description: "line \(index + 1): \(error)")
            }
        }
        guard !keys.isEmpty else { throw APIKeyFault(description: "there is no key in it") }
        self.keys = keys
    }

    package init(file: String) throws(APIKeyFault) { try self.init(file: Array(file.utf8)) }

    private static func key(of line: String) throws(APIKeyFault) -> Key {
        let (operators, digests) = ("operator:", "sha256:")
        let isOperators = line.hasPrefix(operators)
        let key = isOperators ? line.dropFirst(operators.count).drop { $0 == " " } : line[...]
        guard !key.isEmpty else { throw APIKeyFault(description: "after '\(operators)' a key must follow") }
        guard !key.unicodeScalars.contains(where: \.properties.isWhitespace) else {
            throw APIKeyFault(description: "a key has no blanks in it; a comment begins with #")
        }
        guard key.hasPrefix(digests) else {
            return Key(digest: SHA256.digest(Array(key.utf8)), isOperators: isOperators)
        }
        guard let digest = digest(hex: key.dropFirst(digests.count)) else {
            throw APIKeyFault(description: "after '\(digests)' 64 hexadecimal digits must follow")
        }
        return Key(digest: digest, isOperators: isOperators)
    }

    private static func digest(hex: Substring) -> [UInt8]? {
        Hexadecimal.bytes(hex).flatMap { $0.count == 32 ? $0 : nil }
    }

    // MARK: Who asks

    /// - Throws: `APIError` 401 unless the request carries one of the keys.
    func admit(_ request: HTTPRequest) throws(APIError) {
        guard isEmpty || key(of: request) != nil else { throw .wrongKey }
    }

    /// The one who sends the request. An admitted request belongs to the owner of its key.
    func caller(of request: HTTPRequest) -> Caller {
        guard let key = key(of: request) else { return Caller(address: request.remote) }
        let name = Hexadecimal.text(key.digest.prefix(8))
        return Caller(key: name, isOperator: key.isOperators)
    }

    /// What stands for the sender of an admitted request in the jobs it makes, also after a restart: it names the key
    /// without telling it, or the address where no keys are asked for.
    func owner(of request: HTTPRequest) -> String { caller(of: request).owner }

    private func key(of request: HTTPRequest) -> Key? {
        var found: Key?
        for credential in Credentials.all(of: request.headers) {
            let given = SHA256.digest(Array(credential.utf8))
            // Every digest is compared whole: the time does not tell how much of which one fits.
            for key in keys {
                if HMAC.areEqual(key.digest, given) { found = key }
            }
        }
        return found
    }
}

/// What is wrong with a file of keys.
package struct APIKeyFault: Error, CustomStringConvertible {
    package let description: String
}
