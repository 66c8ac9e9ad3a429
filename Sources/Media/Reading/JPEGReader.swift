import CJPEG

/// Reads JPEG: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK (inverted where an Adobe segment says so).
enum JPEGReader {
    /// More than any program writes. Each scan of a progressive file costs a pass over the whole picture, so that a
    /// small file of very many would keep a processor busy for hours.
    private static let mostScans: Int32 = 100

    static func header(of file: [UInt8]) throws(PictureError) -> PictureHeader {
        var header = CJPEGHeader()
        var message = [CChar](repeating: 0, count: Int(CJPEG_MESSAGE_SIZE))
        let status = file.withUnsafeBufferPointer {
            cjpeg_read_header($0.baseAddress, $0.count, &header, &message)
        }
        try check(status, message)
        let exif = file.dropFirst(header.exif_offset).prefix(header.exif_size)
        return PictureHeader(
            format: .jpeg, storedWidth: Int(header.width), storedHeight: Int(header.height),
            orientation: EXIF.orientation(exif) ?? .upright, hasAlpha: false)
    }

    static func samples(of file: [UInt8], _ header: PictureHeader) throws(PictureError) -> Samples {
        let (width, height) = (header.storedWidth, header.storedHeight)
        return try Samples(count: width * height, channels: 3) { pixels throws(PictureError) in
            var message = [CChar](repeating: 0, count: Int(CJPEG_MESSAGE_SIZE))
            let status = file.withUnsafeBufferPointer {
                cjpeg_read($0.baseAddress, $0.count, UInt32(width), UInt32(height), mostScans, pixels, &message)
            }
            try check(status, message)
        }
    }

    private static func check(_ status: CJPEGStatus, _ message: [CChar]) throws(PictureError) {
        switch status {
        case CJPEG_DONE: return
        case CJPEG_TRUNCATED: throw .truncated(.jpeg)
        case CJPEG_OUT_OF_MEMORY: throw .outOfMemory
        default:
            let text = message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
            throw .unreadable(.jpeg, reason: String(decoding: text, as: UTF8.self))
        }
    }
}
