extension RGBAImage {
    /// The picture, or a part of it, in other sides; to the bit what Pillow's `resize` gives: colours are weighed by
    /// their alpha (multiplied with it before, divided by it after) unless the filter is `nearest`.
    ///
    /// - Throws: `invalidSize`, `invalidBox`.
    package func resized(
        width: Int, height: Int, filter: ResizeFilter, box: ResizeBox? = nil
    ) throws(ImageError) -> RGBAImage {
        let sides = 1...RGBImage.largestSide
        guard sides.contains(width), sides.contains(height) else { throw .invalidSize(width: width, height: height) }
        let whole = ResizeBox(width: self.width, height: self.height)
        let box = box ?? whole
        try box.check(width: self.width, height: self.height)
        // Multiplied and divided, colours would lose bits for nothing.
        guard width != self.width || height != self.height || box != whole else { return self }
        let weighs = filter != .nearest
        let resampler = Resampler(
            samples: weighs ? Self.multiplied(bytes) : bytes, width: self.width, height: self.height, channels: 4)
        let resized = resampler.resized(box, to: (width, height), columns: 0..<width, rows: 0..<height, filter)
        return try RGBAImage(width: width, height: height, bytes: weighs ? Self.divided(resized) : resized)
    }

    private static func multiplied(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes
        var samples = result.mutableSpan
        for pixel in 0..<samples.count / 4 {
            let alpha = UInt32(samples[pixel * 4 + 3])
            for index in pixel * 4..<pixel * 4 + 3 {
                let scaled = UInt32(samples[index]) &* alpha &+ 128
                samples[index] = UInt8(truncatingIfNeeded: (scaled &+ scaled >> 8) >> 8)
            }
        }
        return result
    }

    private static func divided(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes
        var samples = result.mutableSpan
        for pixel in 0..<samples.count / 4 {
            let alpha = UInt32(samples[pixel * 4 + 3])
            guard alpha != 0, alpha != 255 else { continue }
            for index in pixel * 4..<pixel * 4 + 3 {
                samples[index] = UInt8(truncatingIfNeeded: min(255 &* UInt32(samples[index]) / alpha, 255))
            }
        }
        return result
    }
}
