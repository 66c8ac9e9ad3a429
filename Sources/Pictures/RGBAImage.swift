/// A picture of 8-bit sRGB samples with alpha that is not multiplied in, row by row from the top, `[height, width, 4]`.
package struct RGBAImage: Sendable, Equatable {
    package let width: Int
    package let height: Int
    package let bytes: [UInt8]

    /// - Throws: `invalidSize`, `wrongSampleCount`.
    package init(width: Int, height: Int, bytes: [UInt8]) throws(ImageError) {
        let sides = 1...RGBImage.largestSide
        guard sides.contains(width), sides.contains(height) else { throw .invalidSize(width: width, height: height) }
        guard bytes.count == width * height * 4 else {
            throw .wrongSampleCount(expected: width * height * 4, given: bytes.count)
        }
        self.width = width
        self.height = height
        self.bytes = bytes
    }
}
