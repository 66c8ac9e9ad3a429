import Foundation
import Jobs
import Media

/// What lies beside each file as NAME.json: all that is needed to make the same bytes again, and their digest. It holds
/// nothing of the machine or the time: the same batch gives the same sidecars.
package struct Sidecar: Codable, Sendable, Equatable {
    /// The version of this form of sidecars.
    var version = 1
    let file: String
    let bytes: Int
    let sha256: String
    let line: Int
    let index: Int
    let request: GenerationRequest
    let made: Maker
    let identity: ModelIdentity

    /// What computed it. The same request gives the same bytes where all of this is the same; other libraries code the
    /// same pictures into other bytes.
    package struct Maker: Codable, Sendable, Equatable {
        package let precision: String
        package let instructions: String
        package let libraries: [String: String]
        /// The program, as the provenance in the file names it; nil for a file without.
        package let provenance: String?

        package init(precision: String, instructions: String, provenance: String? = Provenance.phasor) {
            self.precision = precision
            self.instructions = instructions
            libraries = MediaLibraries.versions
            self.provenance = provenance
        }
    }

    private enum CodingKeys: String, CodingKey {
        case version, file, bytes, sha256, line, index, request, identity
        case made = "made_by"
    }

    static let ending = ".json"
    /// No sidecar is longer: a prompt has 16 KB.
    private static let longest = 1 << 20

    static func path(of file: String) -> String { file + ending }

    init?(of file: String, in folder: String) { self.init(path: "\(folder)/\(Self.path(of: file))") }

    /// Returns nil for a file that is not there or is no sidecar.
    init?(path: String) {
        guard let data = Self.text(at: path), let sidecar = try? JSONDecoder().decode(Sidecar.self, from: data),
            sidecar.version == 1
        else { return nil }
        self = sidecar
    }

    private static func text(at path: String) -> Data? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= longest else {
            return nil
        }
        return FileManager.default.contents(atPath: path)
    }

    /// What sidecars of every version say: that a batch made this file, with these bytes.
    struct Claim: Decodable {
        let file: String
        let sha256: String

        /// Returns nil for a file that is not there or claims nothing.
        init?(of file: String, in folder: String) {
            guard let data = Sidecar.text(at: "\(folder)/\(Sidecar.path(of: file))"),
                let claim = try? JSONDecoder().decode(Claim.self, from: data), claim.file == file
            else { return nil }
            self = claim
        }
    }

    init(
        _ item: Manifest.Item, bytes: Int, sha256: String, made: Maker, identity: ModelIdentity
    ) {
        file = item.file
        self.bytes = bytes
        self.sha256 = sha256
        line = item.line
        index = item.index
        request = item.request
        self.made = made
        self.identity = identity
    }

    var data: Data {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return try encoder.encode(self) + Data("\n".utf8)
        }
    }
}
