import Media
import Pictures

/// The luma of a picture, BT.709 weights on its sRGB samples, `[height, width]` in [0, 1]. Measures of movement and
/// structure look at nothing else.
package struct Luminance: Sendable {
    package let width: Int
    package let height: Int
    package private(set) var values: [Float]

    package init(width: Int, height: Int, values: [Float]) {
        precondition(values.count == width * height, "\(values.count) values for \(width)x\(height)")
        self.width = width
        self.height = height
        self.values = values
    }

    package init(_ image: RGBImage) {
        let weights: [Float] = [0.2126 / 255, 0.7152 / 255, 0.0722 / 255]
        var values = [Float](repeating: 0, count: image.width * image.height)
        for (index, byte) in image.bytes.enumerated() { values[index / 3] += weights[index % 3] * Float(byte) }
        self.init(width: image.width, height: image.height, values: values)
    }

    /// The value at a whole place; outside the picture that of the border.
    func at(_ x: Int, _ y: Int) -> Float {
        values[min(max(y, 0), height - 1) * width + min(max(x, 0), width - 1)]
    }

    /// Means of `factor` x `factor` pixels; what is left over at the right and below is dropped.
    func reduced(by factor: Int) -> Luminance {
        guard factor > 1 else { return self }
        let (w, h) = (width / factor, height / factor)
        var out = [Float](repeating: 0, count: w * h)
        for y in 0..<h * factor {
            for x in 0..<w * factor { out[y / factor * w + x / factor] += values[y * width + x] }
        }
        let scale = 1 / Float(factor * factor)
        return Luminance(width: w, height: h, values: out.map { $0 * scale })
    }

    /// The next level of a pyramid: a binomial filter of five taps each way, and every second pixel.
    func halved() -> Luminance {
        let smooth = filtered([0.0625, 0.25, 0.375, 0.25, 0.0625])
        let (w, h) = ((width + 1) / 2, (height + 1) / 2)
        var out = [Float](repeating: 0, count: w * h)
        for y in 0..<h {
            for x in 0..<w { out[y * w + x] = smooth.values[2 * y * width + 2 * x] }
        }
        return Luminance(width: w, height: h, values: out)
    }

    /// Filtered along rows, then along columns, by a symmetric kernel of odd length. The border goes on outside.
    func filtered(_ kernel: [Float]) -> Luminance {
        let radius = kernel.count / 2
        var rows = [Float](repeating: 0, count: values.count)
        for y in 0..<height {
            for x in 0..<width {
                var sum: Float = 0
                for tap in kernel.indices {
                    sum += kernel[tap] * values[y * width + min(max(x + tap - radius, 0), width - 1)]
                }
                rows[y * width + x] = sum
            }
        }
        var out = [Float](repeating: 0, count: values.count)
        for y in 0..<height {
            for tap in kernel.indices {
                let source = min(max(y + tap - radius, 0), height - 1) * width
                let weight = kernel[tap]
                for x in 0..<width { out[y * width + x] += weight * rows[source + x] }
            }
        }
        return Luminance(width: width, height: height, values: out)
    }

    /// The value between pixels, by a bicubic kernel (Catmull-Rom), which blurs less than a bilinear one.
    func sample(_ x: Float, _ y: Float) -> Float {
        let (left, top) = (x.rounded(.down), y.rounded(.down))
        let (wx, wy) = (Self.weights(x - left), Self.weights(y - top))
        let (column, row) = (Int(left), Int(top))
        var sum: Float = 0
        for j in 0..<4 {
            var line: Float = 0
            for i in 0..<4 { line += wx[i] * at(column + i - 1, row + j - 1) }
            sum += wy[j] * line
        }
        return sum
    }

    private static func weights(_ t: Float) -> SIMD4<Float> {
        let (t2, t3) = (t * t, t * t * t)
        return SIMD4(
            -0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1, -1.5 * t3 + 2 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2)
    }
}
