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
}
