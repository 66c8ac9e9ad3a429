/// A picture of 8-bit sRGB samples, row by row from the top, `[height, width, 3]`.
package struct RGBImage: Sendable, Equatable {
    /// Keeps `width * height * 3` far from overflow; libpng's own limit is 1,000,000.
    package static let largestSide = 65_536

    package let width: Int
    package let height: Int
    package let bytes: [UInt8]

    /// - Throws: `invalidSize`, `wrongSampleCount`.
    package init(width: Int, height: Int, bytes: [UInt8]) throws(MediaError) {
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
    package init(width: Int, height: Int, floats: Span<Float>, layout: Layout) throws(MediaError) {
        try Self.check(width: width, height: height, sampleCount: floats.count)
        let area = width * height
        var bytes = [UInt8](repeating: 0, count: floats.count)
        var out = bytes.mutableSpan
        switch layout {
        case .interleaved:
            for index in floats.indices {
                out[index] = try Self.quantise(floats[index], index)
            }
        case .planar:
            for channel in 0..<3 {
                for pixel in 0..<area {
                    let index = channel * area + pixel
                    out[pixel * 3 + channel] = try Self.quantise(floats[index], index)
                }
            }
        }
        self.width = width
        self.height = height
        self.bytes = bytes
    }

    private static func quantise(_ value: Float, _ index: Int) throws(MediaError) -> UInt8 {
        guard value.isFinite else { throw .notFinite(value: value, index: index) }
        return UInt8((min(max(value, 0), 1) * 255).rounded(.toNearestOrEven))
    }

    private static func check(width: Int, height: Int, sampleCount: Int) throws(MediaError) {
        guard (1...largestSide).contains(width), (1...largestSide).contains(height) else {
            throw .invalidSize(width: width, height: height)
        }
        let expected = width * height * 3
        guard sampleCount == expected else {
            throw .wrongSampleCount(expected: expected, given: sampleCount)
        }
    }
}
