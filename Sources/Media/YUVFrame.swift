import Pictures

/// A picture as the video encoders take it: BT.709, limited range, 4:2:0 with chroma sited left, or 4:4:4.
///
/// Converted here and not by libswscale: the rounding is exact and the same on every processor, and libswscale
/// puts chroma between the pixels of a pair unless told otherwise, half a pixel off from where players look.
package struct YUVFrame: Sendable {
    package let width: Int
    package let height: Int
    /// `[height, width]`, 16...235.
    package let luma: [UInt8]
    /// `[height / 2, width / 2]`, of 4:4:4 `[height, width]`; 16...240, 128 for grey.
    package let blueDifference: [UInt8]
    package let redDifference: [UInt8]

    /// Samples in a row of chroma.
    package let chromaWidth: Int

    /// - Throws: `oddVideoSize` for 4:2:0.
    package init(_ image: RGBImage, _ format: VideoOptions.PixelFormat = .yuv420p) throws(MediaError) {
        guard format == .yuv420p else {
            (width, height, chromaWidth) = (image.width, image.height, image.width)
            luma = Self.luma(image)
            (blueDifference, redDifference) = Self.fullChroma(image)
            return
        }
        guard image.width.isMultiple(of: 2), image.height.isMultiple(of: 2) else {
            throw .oddVideoSize(width: image.width, height: image.height)
        }
        width = image.width
        height = image.height
        chromaWidth = image.width / 2
        luma = Self.luma(image)
        (blueDifference, redDifference) = Self.chroma(image)
    }

    private static func luma(_ image: RGBImage) -> [UInt8] {
        let rgb = image.bytes.span
        var plane = [UInt8](repeating: 0, count: image.width * image.height)
        var out = plane.mutableSpan
        for index in out.indices {
            out[index] = quantise(pixel(rgb, index), weights.luma, shift: 16)
        }
        return plane
    }

    /// 4:4:4.
    private static func fullChroma(_ image: RGBImage) -> (blueDifference: [UInt8], redDifference: [UInt8]) {
        let rgb = image.bytes.span
        var bluePlane = [UInt8](repeating: 0, count: image.width * image.height)
        var redPlane = bluePlane
        var blue = bluePlane.mutableSpan
        var red = redPlane.mutableSpan
        for index in blue.indices {
            let pixel = pixel(rgb, index)
            blue[index] = quantise(pixel, weights.blueDifference, shift: 16)
            red[index] = quantise(pixel, weights.redDifference, shift: 16)
        }
        return (bluePlane, redPlane)
    }

    private static func chroma(_ image: RGBImage) -> (blueDifference: [UInt8], redDifference: [UInt8]) {
        let rgb = image.bytes.span
        let width = image.width
        var bluePlane = [UInt8](repeating: 0, count: width * image.height / 4)
        var redPlane = bluePlane
        var blue = bluePlane.mutableSpan
        var red = redPlane.mutableSpan
        for y in 0..<image.height / 2 {
            let row = 2 * y * width
            // The pixel left of the border counts as the border's own.
            var left = pixel(rgb, row) &+ pixel(rgb, row + width)
            for x in 0..<width / 2 {
                let top = row + 2 * x
                let centre = pixel(rgb, top) &+ pixel(rgb, top + width)
                let right = pixel(rgb, top + 1) &+ pixel(rgb, top + 1 + width)
                // Left siting: the sample lies on the even column, halfway between the rows; its filter is
                // [1 2 1] across and [1 1] down, eight in all.
                let sum = left &+ centre &+ centre &+ right
                blue[y * width / 2 + x] = quantise(sum, weights.blueDifference, shift: 19)
                red[y * width / 2 + x] = quantise(sum, weights.redDifference, shift: 19)
                left = right
            }
        }
        return (bluePlane, redPlane)
    }

    /// Red, green, blue and a one that carries the offset of the weights.
    private static func pixel(_ rgb: Span<UInt8>, _ index: Int) -> SIMD4<Int32> {
        SIMD4(Int32(rgb[index * 3]), Int32(rgb[index * 3 + 1]), Int32(rgb[index * 3 + 2]), 1)
    }

    private static func quantise(_ sum: SIMD4<Int32>, _ weights: SIMD4<Int32>, shift: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: (sum &* weights).wrappedSum() &>> shift)
    }

    private static let weights = Weights()

    /// The matrix of ITU-R BT.709-6, items 3.2 to 3.4 and 4.6, in units of 2^-16, for full-range RGB; the last
    /// entry is the offset plus one half, so that the shift rounds.
    private struct Weights {
        let luma: SIMD4<Int32>
        let blueDifference: SIMD4<Int32>
        let redDifference: SIMD4<Int32>

        init() {
            let one = 65_536.0
            let red = 0.2126
            let blue = 0.0722
            func fixed(_ value: Double) -> Int32 { Int32(value.rounded()) }

            let lumaScale = one * 219 / 255
            let lumaRed = fixed(lumaScale * red)
            let lumaBlue = fixed(lumaScale * blue)
            luma = SIMD4(lumaRed, fixed(lumaScale) - lumaRed - lumaBlue, lumaBlue, fixed(16.5 * one))

            // (B - Y) / (2 (1 - Kb)) and (R - Y) / (2 (1 - Kr)). Green is what makes each row sum to zero, so
            // that grey has no colour at all.
            let half = fixed(one * 112 / 255)
            let redInBlue = fixed(-one * 112 / 255 * red / (1 - blue))
            let blueInRed = fixed(-one * 112 / 255 * blue / (1 - red))
            let offset = fixed(128.5 * one)
            blueDifference = SIMD4(redInBlue, -half - redInBlue, half, offset)
            redDifference = SIMD4(half, -half - blueInRed, blueInRed, offset)
        }
    }
}
