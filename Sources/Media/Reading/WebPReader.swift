import CWebP

/// Reads WebP: lossy and lossless, with or without alpha.
enum WebPReader {
    /// - Throws: `animated`, `truncated`, `unreadable`.
    static func header(of file: [UInt8]) throws(PictureError) -> PictureHeader {
        let chunks = try RIFF.chunks(of: file)
        guard chunks.contains(where: { ["VP8 ", "VP8L", "ANMF"].contains($0.type) }) else {
            throw .unreadable(.webp, reason: "it holds no picture")
        }
        var features = WebPBitstreamFeatures()
        let status = file.withUnsafeBufferPointer { WebPGetFeatures($0.baseAddress, $0.count, &features) }
        try check(status)
        guard features.has_animation == 0 else { throw .animated(.webp) }
        guard features.width > 0, features.height > 0 else {
            throw .unreadable(.webp, reason: "its header names a side of 0 pixels")
        }
        var orientation = Orientation.upright
        for chunk in chunks where chunk.type == "EXIF" {
            // Some programs put JPEG's mark in front, which does not belong there.
            let data = chunk.data.starts(with: Array("Exif\0\0".utf8)) ? chunk.data.dropFirst(6) : chunk.data
            orientation = EXIF.orientation(data) ?? orientation
        }
        return PictureHeader(
            format: .webp, storedWidth: Int(features.width), storedHeight: Int(features.height),
            orientation: orientation, hasAlpha: features.has_alpha != 0)
    }

    static func samples(of file: [UInt8], _ header: PictureHeader) throws(PictureError) -> Samples {
        let (width, height) = (header.storedWidth, header.storedHeight)
        let channels = header.hasAlpha ? 4 : 3
        return try Samples(count: width * height, channels: channels) { pixels throws(PictureError) in
            var config = WebPDecoderConfig()
            guard WebPInitDecoderConfig(&config) != 0 else {
                throw .unreadable(.webp, reason: "the installed libwebp is another than it was built for")
            }
            config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB
            config.output.is_external_memory = 1
            config.output.u.RGBA.rgba = pixels
            config.output.u.RGBA.stride = Int32(width * channels)
            config.output.u.RGBA.size = width * height * channels
            let status = file.withUnsafeBufferPointer { WebPDecode($0.baseAddress, $0.count, &config) }
            WebPFreeDecBuffer(&config.output)
            try check(status)
        }
    }

    private static func check(_ status: VP8StatusCode) throws(PictureError) {
        switch status {
        case VP8_STATUS_OK: return
        case VP8_STATUS_NOT_ENOUGH_DATA, VP8_STATUS_SUSPENDED: throw .truncated(.webp)
        case VP8_STATUS_OUT_OF_MEMORY: throw .outOfMemory
        case VP8_STATUS_UNSUPPORTED_FEATURE: throw .unreadable(.webp, reason: "it has a feature that is not supported")
        default: throw .unreadable(.webp, reason: "its data is damaged")
        }
    }
}
