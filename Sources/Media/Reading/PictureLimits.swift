import Pictures

/// What a picture may have, checked on its header before anything is decoded.
package struct PictureLimits: Sendable, Equatable {
    /// Width times height. The default takes what cameras of 64 megapixels make.
    package var pixels: Int
    /// The longest allowed side, in pixels; at most `RGBImage.largestSide`.
    package var side: Int

    package init(pixels: Int = 1 << 26, side: Int = RGBImage.largestSide) {
        self.pixels = pixels
        self.side = min(side, RGBImage.largestSide)
    }

    /// The limits for files that Phasor made: only what an `RGBImage` can hold.
    package static let none = PictureLimits(pixels: .max)

    /// - Throws: `tooManyPixels`, `sideTooLong`.
    func check(width: Int, height: Int) throws(PictureError) {
        guard max(width, height) <= side else { throw .sideTooLong(width: width, height: height, limit: side) }
        guard width * height <= pixels else { throw .tooManyPixels(width: width, height: height, limit: pixels) }
    }
}
