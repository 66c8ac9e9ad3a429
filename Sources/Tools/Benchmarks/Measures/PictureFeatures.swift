import Foundation
import Media
import Pictures

/// What a picture looks like in two fixed spaces, computed from its pixels: no network, so anybody gets the same
/// numbers, and none that compare with DINO's or LPIPS's.
///
/// - Colour: the mean linear RGB of 8 x 8 cells, in CIE L*a*b* (D65). The distance is the root mean square of the
///   cells' colour differences (CIE76), divided by 100.
/// - Structure: for the same cells, luma gradients by orientation in 8 bins without sign, weighted by their length and
///   shared between the two nearest bins; the root of each bin, the whole vector of length 1. The distance is one
///   minus the cosine.
package struct PictureFeatures: Sendable {
    private var colour: [Double]
    private var structure: [Double]

    private static let cells = 8
    private static let bins = 8

    /// Distance in each space, and the mean of both.
    package struct Distance: Codable, Sendable, Equatable {
        package var mean: Double { (colour + structure) / 2 }
        package var colour: Double
        package var structure: Double
    }

    package init(_ image: RGBImage) {
        colour = Self.colour(image)
        structure = Self.structure(Luminance(image))
    }

    package func distance(to other: PictureFeatures) -> Distance {
        let squares = zip(colour, other.colour).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let cells = Double(Self.cells * Self.cells)
        let cosine = zip(structure, other.structure).reduce(0) { $0 + $1.0 * $1.1 }
        // Two plain pictures have no structure to differ in.
        let bothPlain = !structure.contains { $0 > 0 } && !other.structure.contains { $0 > 0 }
        return Distance(colour: (squares / cells).squareRoot() / 100, structure: bothPlain ? 0 : max(1 - cosine, 0))
    }

    private static func colour(_ image: RGBImage) -> [Double] {
        var sums = [SIMD3<Double>](repeating: .zero, count: cells * cells)
        var counts = [Double](repeating: 0, count: cells * cells)
        for y in 0..<image.height {
            for x in 0..<image.width {
                let cell = y * cells / image.height * cells + x * cells / image.width
                let pixel = 3 * (y * image.width + x)
                sums[cell] += SIMD3(
                    linear[Int(image.bytes[pixel])], linear[Int(image.bytes[pixel + 1])],
                    linear[Int(image.bytes[pixel + 2])])
                counts[cell] += 1
            }
        }
        return zip(sums, counts).flatMap { lab($0 / max($1, 1)) }
    }

    /// IEC 61966-2-1.
    private static let linear: [Double] = (0..<256).map { byte in
        let value = Double(byte) / 255
        return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }

    /// Linear sRGB to CIE L*a*b* with the white point D65.
    private static func lab(_ rgb: SIMD3<Double>) -> [Double] {
        let x = (0.4124564 * rgb.x + 0.3575761 * rgb.y + 0.1804375 * rgb.z) / 0.95047
        let y = 0.2126729 * rgb.x + 0.7151522 * rgb.y + 0.0721750 * rgb.z
        let z = (0.0193339 * rgb.x + 0.1191920 * rgb.y + 0.9503041 * rgb.z) / 1.08883
        func f(_ t: Double) -> Double {
            t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116
        }
        return [116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))]
    }

    private static func structure(_ luma: Luminance) -> [Double] {
        var bins = [Double](repeating: 0, count: cells * cells * Self.bins)
        for y in 0..<luma.height {
            for x in 0..<luma.width {
                let gx = Double(luma.at(x + 1, y) - luma.at(x - 1, y)) / 2
                let gy = Double(luma.at(x, y + 1) - luma.at(x, y - 1)) / 2
                let length = (gx * gx + gy * gy).squareRoot()
                guard length > 0 else { continue }
                var angle = atan2(gy, gx)
                if angle < 0 { angle += .pi }
                let place = angle / .pi * Double(Self.bins)
                let low = Int(place)
                let share = place - Double(low)
                let cell = (y * cells / luma.height * cells + x * cells / luma.width) * Self.bins
                bins[cell + low % Self.bins] += length * (1 - share)
                bins[cell + (low + 1) % Self.bins] += length * share
            }
        }
        // Of length 1 after the root: the sum of the bins is what the root's squares add up to.
        let total = bins.reduce(0, +)
        return total > 0 ? bins.map { ($0 / total).squareRoot() } : bins
    }
}

/// How different the pictures of one prompt are over seeds: the mean distance of all pairs.
package enum Diversity {
    /// - Parameter clips: for each seed the features of some frames, the same number for each; frames are compared
    ///   with the frame of their own time.
    /// - Returns: nil for less than two seeds.
    package static func distance(_ clips: [[PictureFeatures]]) -> PictureFeatures.Distance? {
        var sum = PictureFeatures.Distance(colour: 0, structure: 0)
        var count = 0.0
        for (index, first) in clips.enumerated() {
            for second in clips.dropFirst(index + 1) {
                for (a, b) in zip(first, second) {
                    let distance = a.distance(to: b)
                    sum.colour += distance.colour
                    sum.structure += distance.structure
                    count += 1
                }
            }
        }
        guard count > 0 else { return nil }
        return PictureFeatures.Distance(colour: sum.colour / count, structure: sum.structure / count)
    }
}
