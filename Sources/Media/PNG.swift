import CPNG
import Foundation

/// PNG files, written by libpng (`cpng_write_rgb`, as its errors need setjmp, which Swift cannot host) and read by its
/// simplified API.
package enum PNG {
    /// The file of `image`, 8-bit RGB, tagged sRGB, with `text` between the header and the picture.
    ///
    /// The bytes depend on the arguments and the installed libpng and zlib alone: there is no time stamp.
    ///
    /// - Parameter text: keyword and text, in the order they are to stand; see `PNGText` for how they are stored.
    /// - Throws: `invalidKeyword`, `nulInText`, `png` with libpng's own message.
    package static func encode(
        _ image: RGBImage, text: [(keyword: String, value: String)] = []
    ) throws(MediaError) -> [UInt8] {
        var chunks: [UInt8] = []
        for (keyword, value) in text {
            chunks += try PNGText.chunk(keyword: keyword, value: value)
        }
        var file = try encodePicture(image)
        // The signature (8 bytes) and IHDR (25) stand first in every PNG; text may follow at once.
        file.insert(contentsOf: chunks, at: 33)
        return file
    }

    /// The picture of a file, as 8-bit RGB.
    ///
    /// - Throws: `png` with libpng's own message; `invalidSize`.
    package static func decode(path: String) throws(MediaError) -> RGBImage {
        var header = png_image()
        header.version = png_uint_32(PNG_IMAGE_VERSION)
        defer { png_image_free(&header) }
        guard png_image_begin_read_from_file(&header, path) != 0 else { throw .png(message(header)) }
        header.format = png_uint_32(PNG_FORMAT_FLAG_COLOR)
        let sides = 1...RGBImage.largestSide
        guard sides.contains(Int(header.width)), sides.contains(Int(header.height)) else {
            throw .invalidSize(width: Int(header.width), height: Int(header.height))
        }
        var bytes = [UInt8](repeating: 0, count: Int(header.width) * Int(header.height) * 3)
        let isRead = bytes.withUnsafeMutableBytes { png_image_finish_read(&header, nil, $0.baseAddress, 0, nil) }
        guard isRead != 0 else { throw .png(message(header)) }
        return try RGBImage(width: Int(header.width), height: Int(header.height), bytes: bytes)
    }

    static var version: String { String(cString: png_get_libpng_ver(nil)) }

    private static func message(_ header: png_image) -> String {
        withUnsafeBytes(of: header.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static func encodePicture(_ image: RGBImage) throws(MediaError) -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        var size = 0
        var message = [CChar](repeating: 0, count: 64)
        let written = image.bytes.withUnsafeBufferPointer {
            cpng_write_rgb($0.baseAddress, UInt32(image.width), UInt32(image.height), &bytes, &size, &message)
        }
        guard written != 0, let bytes else {
            throw .png(String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
        }
        defer { free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: size))
    }
}
