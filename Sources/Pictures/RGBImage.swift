/// A picture of 8-bit sRGB samples, row by row from the top, `[height, width, 3]`.
package struct RGBImage: Sendable, Equatable {
    /// Keeps `width * height * 3` far from overflow; libpng's own limit is 1,000,000.
    package static let largestSide = 65_536

    package let width: Int
    package let height: Int
    package let bytes: [UInt8]

    /// - Throws: `invalidSize`, `wrongSampleCount`.
    package init(width: Int, height: Int, bytes: [UInt8]) throws(ImageError) {
        try Self.check(width: width, height: height, sampleCount: bytes.count)
        self.width = width
        self.height = height
        self.bytes = bytes
    }

    /// The order of float samples: `[3, height, width]` or `[height, width, 3]`.
    package enum Layout: Sendable {
        case planar, interleaved
    }

    /// Quantises samples whose range is [0, 1]; what lies outside is clamped.
    ///
    /// Rounds as diffusers' `VaeImageProcessor.numpy_to_pil` does, `(x * 255).round()`: the product in float32,
    /// halves to the even neighbour.
    ///
    /// - Throws: `notFinite` with the index of the first NaN or infinity; `invalidSize`, `wrongSampleCount`.
    package init(width: Int, height: Int, floats: Span<Float>, layout: Layout) throws(ImageError) {
        try Self.check(width: width, height: height, sampleCount: floats.count)
        if let index = floats.indices.first(where: { !floats[$0].isFinite }) {
            throw .notFinite(value: floats[index], index: index)
        }
        let area = width * height
        var bytes = [UInt8](repeating: 0, count: floats.count)
        var out = bytes.mutableSpan
        switch layout {
        case .interleaved:
            for index in floats.indices {
                out[index] = Self.quantise(floats[index])
            }
        case .planar:
            for channel in 0..<3 {
                for pixel in 0..<area {
                    out[pixel * 3 + channel] = Self.quantise(floats[channel * area + pixel])
                }
            }
        }
        self.width = width
        self.height = height
        self.bytes = bytes
    }

    /// A float of this size has no bits behind the point: what is added to it is rounded to an integer, halves to even,
    /// and lies in the lowest bits. No conversion that could trap: it is done many at a time.
    private static let integers: Float = 12_582_912  // 1.5 * 2^23

    private static func quantise(_ value: Float) -> UInt8 {
        let unit: Float = value < 0 ? 0 : value > 1 ? 1 : value
        return UInt8(truncatingIfNeeded: (unit * 255 + integers).bitPattern)
    }

    private static func check(width: Int, height: Int, sampleCount: Int) throws(ImageError) {
        guard (1...largestSide).contains(width), (1...largestSide).contains(height) else {
            throw .invalidSize(width: width, height: height)
        }
        let expected = width * height * 3
        guard sampleCount == expected else {
            throw .wrongSampleCount(expected: expected, given: sampleCount)
        }
    }
}
