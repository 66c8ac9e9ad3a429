import Foundation
import Support

/// The key that links are signed with, in a file of the state folder, so that links go on opening after a restart.
package enum LinkSecret {
    package static let name = "link-secret"

    /// Reads the secret, or makes one. Only the owner of the folder may read it.
    /// - Throws: `FileFault`.
    package static func read(in folder: String) throws(FileFault) -> [UInt8] {
        let path = "\(folder)/\(name)"
        if let data = FileManager.default.contents(atPath: path), data.count == ArtifactLinks.secretBytes {
            return [UInt8](data)
        }
        let secret = make()
        try AtomicFile.write(secret, to: path, mode: 0o600)
        return secret
    }

    /// Makes a new one.
    package static func make() -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        return (0..<ArtifactLinks.secretBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }
}
