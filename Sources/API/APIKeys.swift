import HTTP
import Support
import Weights

/// The keys that open the API, as SHA-256 digests: a key itself is neither kept in memory nor needed on disk.
package struct APIKeys: Sendable {
    private let digests: [[UInt8]]

    /// No keys: everybody may.
    package static let none = APIKeys(digests: [])

    package var isEmpty: Bool { digests.isEmpty }

    private init(digests: [[UInt8]]) {
        self.digests = digests
    }

    /// - Parameter file: a key a line, or `sha256:` and the 64 hexadecimal digits of a key's digest; empty lines and
    ///   lines that begin with # are skipped.
    /// - Throws: `APIKeyFault` for a line that is no key, and for a file without any.
    package init(file: String) throws(APIKeyFault) {
        var digests: [[UInt8]] = []
        for (index, line) in file.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.filter { $0 != "\r" && $0 != " " && $0 != "\t" }
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            let prefix = "sha256:"
            guard line.hasPrefix(prefix) else {
                digests.append(SHA256.digest(Array(line.utf8)))
                continue
            }
            guard let digest = Self.digest(hex: line.dropFirst(prefix.count)) else {
                throw APIKeyFault(description: "line \(index + 1): after 'sha256:' 64 hexadecimal digits must follow")
            }
            digests.append(digest)
        }
        guard !digests.isEmpty else { throw APIKeyFault(description: "there is no key in it") }
        self.digests = digests
    }

    /// - Throws: `APIError` 401 unless the request carries one of the keys as its bearer token.
    func admit(_ request: HTTPRequest) throws(APIError) {
        guard !isEmpty else { return }
        let parts = (request.headers["Authorization"] ?? "").split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { throw .wrongKey }
        let given = SHA256.digest(Array(parts[1].utf8))
        // Every digest is compared whole: the time does not tell how much of which one fits.
        var fits: UInt8 = 0
        for digest in digests {
            let difference = zip(digest, given).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) }
            fits |= difference == 0 ? 1 : 0
        }
        guard fits == 1 else { throw .wrongKey }
    }

    /// What stands for the key of an admitted request, also after a restart; nil if no keys are asked for. It does not
    /// tell the key.
    func owner(of request: HTTPRequest) -> String? {
        let parts = (request.headers["Authorization"] ?? "").split(separator: " ", maxSplits: 1)
        guard !isEmpty, parts.count == 2 else { return nil }
        return SHA256.digest(Array(parts[1].utf8)).prefix(8).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    private static func digest(hex: Substring) -> [UInt8]? {
        let digits = Array(hex).map(\.hexDigitValue)
        guard digits.count == 64 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: 64, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }
}

/// What is wrong with a file of keys.
package struct APIKeyFault: Error, CustomStringConvertible {
    package let description: String
}
