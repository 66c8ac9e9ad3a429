import Foundation
import Media
import Pictures
import Support

/// A picture that somebody gave: its bytes as they came, and the digest that stands for them in a request.
package struct PictureFile: Sendable, Equatable {
    package let bytes: [UInt8]
    /// SHA-256, as 64 hexadecimal digits.
    package let digest: String
    /// The width in pixels of the upright picture.
    package let width: Int
    package let height: Int

    package var size: PixelSize { PixelSize(width: width, height: height) }

    /// Decodes it once, so that what is accepted can be decoded again when the job runs.
    package init(_ bytes: [UInt8]) throws(PictureError) {
        self.init(bytes, of: try Picture.decode(bytes))
    }

    private init(_ bytes: [UInt8], of picture: RGBImage) {
        self.bytes = bytes
        digest = SHA256.hexadecimal(of: bytes)
        (width, height) = (picture.width, picture.height)
    }

    /// Why a file gives no picture, in words.
    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String
    }

    /// Bytes of a file that is read: as many as the samples of the largest picture have.
    package static let largestFile = PictureLimits().pixels * 4

    package init(path: String) throws(Unreadable) {
        self = try Self.decoded(path: path).file
    }

    /// Reads a file and its picture, for callers that need both: the file is decoded once.
    package static func decoded(path: String) throws(Unreadable) -> (file: PictureFile, picture: RGBImage) {
        let bytes = try bytes(of: path)
        do throws(PictureError) {
            let picture = try Picture.decode(bytes)
            return (PictureFile(bytes, of: picture), picture)
        } catch {
            throw Unreadable(description: "\(error)")
        }
    }

    private static func bytes(of path: String) throws(Unreadable) -> [UInt8] {
        func reason() -> Unreadable {
            Unreadable(description: "it cannot be read: \(String(cString: strerror(errno)))")
        }
        // Opening a pipe would wait for who writes to it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw reason() }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw reason() }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Unreadable(description: "it cannot be read: it is not a regular file")
        }
        guard status.st_size <= largestFile else {
            throw Unreadable(
                description: "it has \(status.st_size) bytes; a picture may have \(largestFile) at most")
        }
        do {
            return Array(try file.readToEnd() ?? Data())
        } catch {
            throw Unreadable(description: "it cannot be read: \(error)")
        }
    }
}
