import CPNG
import Foundation
import Pictures

/// PNG files, written by libpng through `cpng_write_rgb`: its errors need setjmp, which Swift cannot host.
package enum PNG {
    /// The file of `image`, 8-bit RGB, tagged sRGB, with `text` between the header and the picture.
    ///
    /// The bytes depend on the arguments and the installed libpng and zlib alone: there is no time stamp.
    ///
    /// - Parameters:
    ///   - text: keyword and text, in the order they are to stand; see `PNGText` for how they are stored.
    ///   - provenance: stands behind them as XMP; nil leaves it out.
    /// - Throws: `invalidKeyword`, `nulInText`, `png` with libpng's own message.
    package static func encode(
        _ image: RGBImage, text: [(keyword: String, value: String)] = [], provenance: Provenance? = nil
    ) throws(MediaError) -> [UInt8] {
        var chunks: [UInt8] = []
        for (keyword, value) in text {
            chunks += try PNGText.chunk(keyword: keyword, value: value)
        }
        if let provenance { chunks += PNGText.chunk(xmp: provenance.xmp) }
        var file = try encodePicture(image)
        // The signature (8 bytes) and IHDR (25) stand first in every PNG; text may follow at once.
        file.insert(contentsOf: chunks, at: 33)
        return file
    }

    /// The picture of a file, as `Picture` reads it, without a limit of its own: for files that we made.
    ///
    /// - Throws: `png` for what is no PNG, or cannot be read.
    package static func decode(path: String) throws(MediaError) -> RGBImage {
        guard let data = FileManager.default.contents(atPath: path) else { throw .png("no file at \(path)") }
        let file = [UInt8](data)
        do throws(PictureError) {
            guard try PictureFormat(of: file) == .png else { throw .unknownFormat }
            return try Picture.decode(file, limits: .none)
        } catch {
            throw .png("\(error)")
        }
    }

    static var version: String { String(cString: png_get_libpng_ver(nil)) }

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
