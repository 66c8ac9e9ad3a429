import CPNG

/// Reads PNG: all colour types and depths, interlaced or not, with or without transparency.
///
/// The chunks are walked here first, so that sides, animation and orientation are known before libpng sees the file.
enum PNGReader {
    /// - Throws: `animated` for an APNG of several frames, `truncated`, `unreadable`.
    static func header(of file: [UInt8]) throws(PictureError) -> PictureHeader {
        var size: (width: Int, height: Int)?
        var hasAlpha = false
        var orientation = Orientation.upright
        var offset = 8
        walk: while true {
            guard file.count - offset >= 8 else { throw .truncated(.png) }
            let length = number(file, offset)
            let (type, data) = (file[offset + 4..<offset + 8], offset + 8)
            guard file.count - data >= length + 4 else { throw .truncated(.png) }
            let isFirst = offset == 8
            guard type.elementsEqual("IHDR".utf8) == isFirst else {
                throw .unreadable(.png, reason: isFirst ? "it does not begin with a header" : "it has two headers")
            }
            switch String(decoding: type, as: UTF8.self) {
            case "IHDR":
                guard length == 13 else { throw .unreadable(.png, reason: "its header has a wrong length") }
                size = (number(file, data), number(file, data + 4))
                // Bit 2 of the colour type is alpha.
                hasAlpha = file[data + 9] & 4 != 0
            case "tRNS":
                hasAlpha = true
            case "acTL" where length >= 4 && number(file, data) > 1:
                throw .animated(.png)
            case "eXIf":
                orientation = EXIF.orientation(file[data..<data + length]) ?? orientation
            case "IEND":
                break walk
            default:
                break
            }
            offset = data + length + 4
        }
        guard let size, size.width > 0, size.height > 0 else {
            throw .unreadable(.png, reason: "its header names a side of 0 pixels")
        }
        return PictureHeader(
            format: .png, storedWidth: size.width, storedHeight: size.height, orientation: orientation,
            hasAlpha: hasAlpha)
    }

    static func samples(of file: [UInt8], _ header: PictureHeader) throws(PictureError) -> Samples {
        let (width, height) = (header.storedWidth, header.storedHeight)
        let channels = header.hasAlpha ? 4 : 3
        return try Samples(count: width * height, channels: channels) { pixels throws(PictureError) in
            var message = [CChar](repeating: 0, count: 64)
            let status = file.withUnsafeBufferPointer {
                cpng_read(
                    $0.baseAddress, $0.count, UInt32(width), UInt32(height), Int32(channels), pixels, &message)
            }
            switch status {
            case CPNG_READ: return
            case CPNG_TRUNCATED: throw .truncated(.png)
            default: throw .unreadable(.png, reason: text(message))
            }
        }
    }

    private static func text(_ message: [CChar]) -> String {
        String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func number(_ file: [UInt8], _ offset: Int) -> Int {
        file[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}
