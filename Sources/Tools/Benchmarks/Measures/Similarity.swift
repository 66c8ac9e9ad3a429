import Foundation
import Media
import Pictures

/// How alike two pictures of one size are, pixel by pixel.
package struct Similarity: Codable, Sendable, Equatable {
    /// Peak signal-to-noise ratio over the RGB samples, in dB; nil where nothing differs.
    package var psnr: Double?
    /// Structural similarity of luma (Wang et al. 2004: Gaussian window of 11 x 11, sigma 1.5, K1 0.01, K2 0.03), the
    /// mean over all places where the window fits; nil for pictures smaller than that.
    package var ssim: Double?

    private static let radius = 5
    private static let kernel: [Float] = {
        let taps = (-radius...radius).map { expf(-Float($0 * $0) / (2 * 1.5 * 1.5)) }
        let sum = taps.reduce(0, +)
        return taps.map { $0 / sum }
    }()

    /// - Precondition: both have one size.
    package init(_ a: RGBImage, _ b: RGBImage) {
        precondition(a.width == b.width && a.height == b.height, "pictures of two sizes")
        let squares = zip(a.bytes, b.bytes).reduce(0) { sum, pair in
            let difference = Int(pair.0) - Int(pair.1)
            return sum + difference * difference
        }
        psnr = squares == 0 ? nil : 10 * log10(255 * 255 * Double(a.bytes.count) / Double(squares))
        ssim = Self.ssim(Luminance(a), Luminance(b))
    }

    /// The similarity of frames at the same time; the mean over all pairs.
    package static func mean(_ pairs: [Similarity]) -> Similarity? {
        func mean(_ values: [Double]) -> Double? {
            values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
        }
        return pairs.isEmpty
            ? nil : Similarity(psnr: mean(pairs.compactMap(\.psnr)), ssim: mean(pairs.compactMap(\.ssim)))
    }

    private init(psnr: Double?, ssim: Double?) {
        self.psnr = psnr
        self.ssim = ssim
    }

    private static func ssim(_ a: Luminance, _ b: Luminance) -> Double? {
        let (width, height) = (a.width, a.height)
        guard min(width, height) > 2 * radius else { return nil }
        func blurred(_ x: [Float], _ y: [Float]) -> [Float] {
            let products = x.indices.map { x[$0] * y[$0] }
            return Luminance(width: width, height: height, values: products).filtered(kernel).values
        }
        let (meanA, meanB) = (a.filtered(kernel).values, b.filtered(kernel).values)
        let (aa, bb, ab) = (
            blurred(a.values, a.values), blurred(b.values, b.values), blurred(a.values, b.values)
        )
        let (c1, c2): (Double, Double) = (0.01 * 0.01, 0.03 * 0.03)
        var sum = 0.0
        for y in radius..<height - radius {
            for x in radius..<width - radius {
                let index = y * width + x
                let (ma, mb) = (Double(meanA[index]), Double(meanB[index]))
                let varianceA = Double(aa[index]) - ma * ma
                let varianceB = Double(bb[index]) - mb * mb
                let covariance = Double(ab[index]) - ma * mb
                sum +=
                    (2 * ma * mb + c1) * (2 * covariance + c2)
                    / ((ma * ma + mb * mb + c1) * (varianceA + varianceB + c2))
            }
        }
        return sum / Double((width - 2 * radius) * (height - 2 * radius))
    }
}
