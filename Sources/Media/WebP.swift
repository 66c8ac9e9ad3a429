import CWebP
import Pictures

/// WebP files, written by libwebp.
package enum WebP {
    /// The file of `image`, without alpha.
    ///
    /// The bytes depend on the arguments and the installed libwebp alone: one thread, no time stamp.
    ///
    /// - Parameters:
    ///   - quality: 1 to 100, libwebp's scale; of no effect on a lossless file.
    ///   - lossless: the pixels come back exactly.
    ///   - comment: how the picture was made, as Exif UserComment; nil leaves it out.
    ///   - record: the same for this program, in a chunk of its own; nil leaves it out.
    ///   - provenance: stands behind it as XMP; nil leaves it out.
    /// - Throws: `invalidQuality`, `unsupportedPictureSize`, `webp`.
    package static func encode(
        _ image: RGBImage, quality: Int = 90, lossless: Bool = false, comment: String? = nil,
        record: String? = nil, provenance: Provenance? = nil
    ) throws(MediaError) -> [UInt8] {
        guard (1...100).contains(quality) else { throw .invalidQuality(given: quality) }
        try PictureFormat.webp.check(width: image.width, height: image.height)
        let simple = try encodePicture(image, quality, lossless)
        guard comment != nil || record != nil || provenance != nil else { return simple }

        // The extended form (RFC 9649, section 2.7): a chunk of flags and sides, the picture, Exif, XMP, others.
        let (exif, xmp): (UInt8, UInt8) = (comment == nil ? 0 : 0x08, provenance == nil ? 0 : 0x04)
        var chunks = RIFF.chunk(
            "VP8X",
            [exif | xmp, 0, 0, 0] + RIFF.littleEndian(image.width - 1, bytes: 3)
                + RIFF.littleEndian(image.height - 1, bytes: 3))
        chunks += simple.dropFirst(12)
        if let data = comment.flatMap({ EXIF.data(comment: $0) }) { chunks += RIFF.chunk("EXIF", data) }
        if let provenance { chunks += RIFF.chunk("XMP ", provenance.xmp) }
        if let record { chunks += RIFF.chunk(WebPNotes.recordChunk, Array(record.utf8)) }
        return RIFF.file(chunks)
    }

    static var version: String {
        let number = WebPGetEncoderVersion()
        return "\(number >> 16).\(number >> 8 & 255).\(number & 255)"
    }

    /// RIFF, size, WEBP and one chunk.
    private static func encodePicture(_ image: RGBImage, _ quality: Int, _ lossless: Bool) throws(MediaError)
        -> [UInt8]
    {
        var bytes: UnsafeMutablePointer<UInt8>?
        let (width, height, stride) = (Int32(image.width), Int32(image.height), Int32(image.width * 3))
        let size = image.bytes.withUnsafeBufferPointer {
            lossless
                ? WebPEncodeLosslessRGB($0.baseAddress, width, height, stride, &bytes)
                : WebPEncodeRGB($0.baseAddress, width, height, stride, Float(quality), &bytes)
        }
        defer { WebPFree(bytes) }
        guard size > 12, let bytes else { throw .webp("libwebp could not encode \(width)x\(height) pixels") }
        return Array(UnsafeBufferPointer(start: bytes, count: size))
    }
}
