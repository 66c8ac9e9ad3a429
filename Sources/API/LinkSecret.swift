import Foundation
import Support

/// The key that links are signed with, in a file of the state folder, so that links go on opening after a restart.
package enum LinkSecret {
    static let name = "link-secret"

    /// Reads the secret, or makes one. Only the owner of the folder may read it.
    /// - Throws: `FileFault`.
    package static func read(in folder: String) throws(FileFault) -> [UInt8] {
        let path = "\(folder)/\(name)"
        if let data = FileManager.default.contents(atPath: path), data.count == ArtifactLinks.secretBytes {
            return [UInt8](data)
        }
        var random = SystemRandomNumberGenerator()
        let secret = (0..<ArtifactLinks.secretBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        try AtomicFile.write(secret, to: path, mode: 0o600)
        return secret
    }
}
