import Foundation
import Media
import Support

/// A picture that somebody gave: its bytes as they came, and the digest that stands for them in a request.
package struct PictureFile: Sendable, Equatable {
    package let bytes: [UInt8]
    /// SHA-256, as 64 hexadecimal digits.
    package let digest: String
    /// In pixels, upright.
    package let width: Int
    package let height: Int

    /// Decodes it once, so that what is accepted can be decoded again when the job runs.
    package init(_ bytes: [UInt8]) throws(PictureError) {
        let picture = try Picture.decode(bytes)
        self.bytes = bytes
        digest = SHA256.hexadecimal(of: bytes)
        (width, height) = (picture.width, picture.height)
    }

    /// Why a file gives no picture, in words.
    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String
    }

    package init(path: String) throws(Unreadable) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Unreadable(description: "it cannot be read: \(String(cString: strerror(errno)))")
        }
        do throws(PictureError) {
            try self.init(Array(data))
        } catch {
            throw Unreadable(description: "\(error)")
        }
    }
}
