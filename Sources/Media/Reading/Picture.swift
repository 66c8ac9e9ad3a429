import Pictures

/// Pictures that somebody sent: PNG, JPEG or WebP, whatever they call it.
///
/// Any bytes are safe: they are read or refused with a `PictureError`. Memory is bounded by `PictureLimits`, which hold
/// before anything is decoded: 3 or 4 bytes a pixel for the result, once more while a picture is turned, and
/// up to 8 bytes a pixel of a progressive JPEG, which libjpeg keeps as coefficients.
///
/// Samples are taken for sRGB: an ICC profile, gAMA and cHRM are passed over. Orientation by Exif is applied, as
/// diffusers' `load_image` does, for all three formats.
package enum Picture {
    /// What the file says before its pixels; nothing is decoded.
    ///
    /// - Throws: everything that `decode` throws but for what only the pixels show.
    package static func header(of file: [UInt8], limits: PictureLimits = PictureLimits()) throws(PictureError)
        -> PictureHeader
    {
        let header =
            switch try PictureFormat(of: file) {
            case .png: try PNGReader.header(of: file)
            case .jpeg: try JPEGReader.header(of: file)
            case .webp: try WebPReader.header(of: file)
            }
        try limits.check(width: header.width, height: header.height)
        return header
    }

    /// The picture, upright; what is transparent shows white.
    package static func decode(_ file: [UInt8], limits: PictureLimits = PictureLimits()) throws(PictureError)
        -> RGBImage
    {
        let header = try header(of: file, limits: limits)
        let samples = try samples(of: file, header).onWhite()
        return try image(header, samples, channels: 3) { width, height, bytes throws(ImageError) in
            try RGBImage(width: width, height: height, bytes: bytes)
        }
    }

    /// The picture, upright, with its alpha.
    package static func decodeRGBA(_ file: [UInt8], limits: PictureLimits = PictureLimits()) throws(PictureError)
        -> RGBAImage
    {
        let header = try header(of: file, limits: limits)
        let samples = try samples(of: file, header).withAlpha()
        return try image(header, samples, channels: 4) { width, height, bytes throws(ImageError) in
            try RGBAImage(width: width, height: height, bytes: bytes)
        }
    }

    private static func samples(of file: [UInt8], _ header: PictureHeader) throws(PictureError) -> Samples {
        switch header.format {
        case .png: try PNGReader.samples(of: file, header)
        case .jpeg: try JPEGReader.samples(of: file, header)
        case .webp: try WebPReader.samples(of: file, header)
        }
    }

    private static func image<Image>(
        _ header: PictureHeader, _ samples: [UInt8], channels: Int,
        _ make: (Int, Int, [UInt8]) throws(ImageError) -> Image
    ) throws(PictureError) -> Image {
        let bytes = header.orientation.upright(
            samples, width: header.storedWidth, height: header.storedHeight, channels: channels)
        do {
            return try make(header.width, header.height, bytes)
        } catch {
            throw .unreadable(header.format, reason: "\(error)")
        }
    }
}
