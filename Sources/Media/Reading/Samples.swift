/// Pixels as a reader found them: 8-bit samples, `[height, width, channels]`, RGB or RGBA.
struct Samples {
    var bytes: [UInt8]
    let channels: Int

    /// Pixels that `fill` writes, into memory that is not cleared before.
    ///
    /// - Parameter fill: writes all samples, or throws.
    init(
        count: Int, channels: Int, fill: (UnsafeMutablePointer<UInt8>) throws(PictureError) -> Void
    ) throws(PictureError) {
        var failure: PictureError?
        bytes = [UInt8](unsafeUninitializedCapacity: count * channels) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            do throws(PictureError) {
                try fill(base)
                initialized = count * channels
            } catch {
                failure = error
            }
        }
        self.channels = channels
        if let failure { throw failure }
    }

    /// RGB; what is transparent shows white. Rounds as Pillow's `paste` with a mask does.
    consuming func onWhite() -> [UInt8] {
        guard channels == 4 else { return bytes }
        let count = bytes.count / 4
        var samples = bytes.mutableSpan
        for pixel in 0..<count {
            let alpha = UInt32(samples[pixel * 4 + 3])
            for channel in 0..<3 {
                let scaled = UInt32(samples[pixel * 4 + channel]) &* alpha &+ 255 &* (255 &- alpha) &+ 128
                samples[pixel * 3 + channel] = UInt8(truncatingIfNeeded: (scaled &+ scaled >> 8) >> 8)
            }
        }
        bytes.removeLast(count)
        return bytes
    }

    /// RGBA; pixels without alpha are opaque.
    consuming func withAlpha() -> [UInt8] {
        guard channels == 3 else { return bytes }
        var result = [UInt8](repeating: 255, count: bytes.count / 3 * 4)
        let source = bytes.span
        var target = result.mutableSpan
        for pixel in 0..<source.count / 3 {
            for channel in 0..<3 { target[pixel * 4 + channel] = source[pixel * 3 + channel] }
        }
        return result
    }
}
