import CJPEG
import Foundation
import Pictures

/// JPEG files, written by libjpeg-turbo.
package enum JPEG {
    /// The file of `image`: baseline, YCbCr, with chroma for each pixel from quality 90, below it one sample for each
    /// 2 x 2 pixels.
    ///
    /// The bytes depend on the arguments and the installed libjpeg-turbo alone: there is no time stamp.
    ///
    /// - Parameters:
    ///   - quality: 1 to 100, libjpeg's scale.
    ///   - comment: how the picture was made, as Exif UserComment; nil leaves it out.
    ///   - record: the same for this program, in segments of its own; nil leaves it out.
    ///   - provenance: stands behind it as XMP; nil leaves it out.
    /// - Throws: `invalidQuality`, `unsupportedPictureSize`, `textTooLong`, `jpeg` with libjpeg's own message.
    package static func encode(
        _ image: RGBImage, quality: Int = 90, comment: String? = nil, record: String? = nil,
        provenance: Provenance? = nil
    ) throws(MediaError) -> [UInt8] {
        guard (1...100).contains(quality) else { throw .invalidQuality(given: quality) }
        try PictureFormat.jpeg.check(width: image.width, height: image.height)
        var segments: [UInt8] = []
        if let comment {
            let mark = JPEGNotes.exifName
            guard let data = EXIF.data(comment: comment, limit: longestPayload - mark.count) else {
                throw .textTooLong(format: .jpeg, bytes: comment.utf8.count, allowed: longestPayload - 100)
            }
            segments += try segment(mark + data)
        }
        if let provenance {
            segments += try segment(Array("http://ns.adobe.com/xap/1.0/\0".utf8) + provenance.xmp)
        }
        if let record {
            var rest = Array(record.utf8)[...]
            while !rest.isEmpty {
                let part = rest.prefix(longestPayload - JPEGNotes.recordName.count)
                segments += try segment(JPEGNotes.recordName + part, marker: JPEGNotes.recordMarker)
                rest = rest.dropFirst(part.count)
            }
        }
        var file = try encodePicture(image, quality)
        // Start of image (2 bytes) and the JFIF segment (18) stand first in every file of libjpeg; Exif follows.
        file.insert(contentsOf: segments, at: 20)
        return file
    }

    static var version: String { String(cString: cjpeg_version()) }

    /// A length of 16 bits counts itself.
    private static let longestPayload = 65_533

    /// Returns an application segment: APP1, which Exif and XMP use, unless another marker is given.
    private static func segment(_ payload: [UInt8], marker: UInt8 = 0xE1) throws(MediaError) -> [UInt8] {
        guard payload.count <= longestPayload else {
            throw .textTooLong(format: .jpeg, bytes: payload.count, allowed: longestPayload)
        }
        let length = payload.count + 2
        return [0xFF, marker, UInt8(length >> 8), UInt8(length & 0xFF)] + payload
    }

    private static func encodePicture(_ image: RGBImage, _ quality: Int) throws(MediaError) -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        var size = 0
        var message = [CChar](repeating: 0, count: Int(CJPEG_MESSAGE_SIZE))
        let status = image.bytes.withUnsafeBufferPointer {
            cjpeg_write_rgb(
                $0.baseAddress, UInt32(image.width), UInt32(image.height), Int32(quality), quality < 90 ? 1 : 0, &bytes,
                &size, &message)
        }
        guard status == CJPEG_DONE, let bytes else {
            let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw .jpeg(status == CJPEG_OUT_OF_MEMORY ? "out of memory" : text)
        }
        defer { free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: size))
    }
}
