import Foundation

/// Where each pixel of a frame went in the next one: dense pyramidal Lucas-Kanade (Lucas and Kanade 1981, in the
/// coarse-to-fine form of Bouguet 2000).
///
/// Around every pixel a Gaussian window (sigma 2.5) of the first frame is matched to the second by five Gauss-Newton
/// steps on each of up to four levels, a small regulariser added. Where the window sees no more than a decoder's noise,
/// as on a plain background, nothing tells what moves and the flow is zero.
package struct OpticalFlow: Sendable {
    /// Pixels of the field; larger frames are reduced before by a whole factor, so that neither side exceeds
    /// `largestSide`.
    package let width: Int
    package let height: Int
    /// The horizontal motion, in pixels of the frames as they were given.
    package private(set) var dx: [Float]
    package private(set) var dy: [Float]

    package static let largestSide = 256
    private static let levels = 4
    private static let smallestSide = 20
    private static let iterations = 5
    /// Added to the mean squared gradient of luma in [0, 1].
    private static let regulariser: Float = 5e-4
    /// Mean squared gradients below this tell nothing: noise of one part in 255 has 1e-5.
    private static let faintest: Float = 2e-5
    private static let window: [Float] = {
        let taps = (-7...7).map { offset in expf(-Float(offset * offset) / (2 * 2.5 * 2.5)) }
        let sum = taps.reduce(0, +)
        return taps.map { $0 / sum }
    }()

    /// - Precondition: both frames have one size.
    package init(from first: Luminance, to second: Luminance) {
        precondition(first.width == second.width && first.height == second.height, "frames of two sizes")
        let factor = (max(first.width, first.height) + Self.largestSide - 1) / Self.largestSide
        var pyramid = [(first.reduced(by: factor), second.reduced(by: factor))]
        while pyramid.count < Self.levels, let (last, _) = pyramid.last,
            min(last.width, last.height) >= 2 * Self.smallestSide
        {
            pyramid.append((pyramid[pyramid.count - 1].0.halved(), pyramid[pyramid.count - 1].1.halved()))
        }
        (width, height) = (pyramid[0].0.width, pyramid[0].0.height)
        (dx, dy) = ([], [])
        var size = (width: 0, height: 0)
        for (first, second) in pyramid.reversed() {
            (dx, dy) = (
                Self.doubled(dx, size, first.width, first.height), Self.doubled(dy, size, first.width, first.height)
            )
            size = (first.width, first.height)
            refine(first, second)
        }
        if factor > 1 {
            dx = dx.map { $0 * Float(factor) }
            dy = dy.map { $0 * Float(factor) }
        }
    }

    /// Lengths of the vectors, in pixels.
    package var magnitudes: [Float] { zip(dx, dy).map { ($0 * $0 + $1 * $1).squareRoot() } }

    /// The flow of the coarser level on a grid of twice its resolution; zero where there is no coarser one.
    private static func doubled(
        _ values: [Float], _ size: (width: Int, height: Int), _ width: Int, _ height: Int
    ) -> [Float] {
        guard !values.isEmpty else { return [Float](repeating: 0, count: width * height) }
        let coarse = Luminance(width: size.width, height: size.height, values: values)
        return (0..<width * height).map { index in
            2 * coarse.sample(Float(index % width) / 2, Float(index / width) / 2)
        }
    }

    private mutating func refine(_ first: Luminance, _ second: Luminance) {
        let (width, height) = (first.width, first.height)
        var gx = [Float](repeating: 0, count: width * height)
        var gy = gx
        for y in 0..<height {
            for x in 0..<width {
                gx[y * width + x] = (first.at(x + 1, y) - first.at(x - 1, y)) / 2
                gy[y * width + x] = (first.at(x, y + 1) - first.at(x, y - 1)) / 2
            }
        }
        func windowed(_ a: [Float], _ b: [Float], _ seen: [Float]) -> [Float] {
            let products = a.indices.map { a[$0] * b[$0] * seen[$0] }
            return Luminance(width: width, height: height, values: products).filtered(Self.window).values
        }
        for _ in 0..<Self.iterations {
            var difference = [Float](repeating: 0, count: width * height)
            var seen = difference
            for y in 0..<height {
                for x in 0..<width {
                    let index = y * width + x
                    let (tx, ty) = (Float(x) + dx[index], Float(y) + dy[index])
                    // What has left the picture, and the border, whose gradient is half of one side's, say nothing.
                    guard tx >= 0, ty >= 0, tx <= Float(width - 1), ty <= Float(height - 1), x > 0, y > 0,
                        x < width - 1, y < height - 1
                    else { continue }
                    difference[index] = second.sample(tx, ty) - first.values[index]
                    seen[index] = 1
                }
            }
            let (xx, xy, yy) = (windowed(gx, gx, seen), windowed(gx, gy, seen), windowed(gy, gy, seen))
            let (xt, yt) = (windowed(gx, difference, seen), windowed(gy, difference, seen))
            for index in dx.indices {
                let (a, b, c) = (xx[index] + Self.regulariser, xy[index], yy[index] + Self.regulariser)
                let determinant = a * c - b * b
                let stepX = (b * yt[index] - c * xt[index]) / determinant
                let stepY = (b * xt[index] - a * yt[index]) / determinant
                // Linearised, the match holds for a pixel or so.
                dx[index] += min(max(stepX, -1), 1)
                dy[index] += min(max(stepY, -1), 1)
            }
        }
        let all = [Float](repeating: 1, count: width * height)
        let (xx, yy) = (windowed(gx, gx, all), windowed(gy, gy, all))
        for index in dx.indices where xx[index] + yy[index] < Self.faintest { (dx[index], dy[index]) = (0, 0) }
    }
}
