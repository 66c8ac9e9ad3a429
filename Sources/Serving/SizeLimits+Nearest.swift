import Foundation
import Models
import Support

/// What a server makes of a size that its model does not.
package enum SizePolicy: String, Sendable, CaseIterable {
    /// Refuses it, and says which one is near.
    case exact
    /// Makes the nearest size of about the same aspect, and says so.
    case nearest
}

extension SizeLimits {
    package var defaultSize: PixelSize { PixelSize(width: defaultWidth, height: defaultHeight) }

    /// The size that comes nearest to a wanted one: of about its aspect, and of its area where the model makes so many
    /// pixels. It is one that `refusal` has nothing against.
    package func nearest(to wanted: PixelSize) -> PixelSize {
        let (width, height) = (Double(max(wanted.width, 1)), Double(max(wanted.height, 1)))
        let side = Double(sideMultiple)
        let most = Double(maximumPixels)
        let area = min(max(width * height, side * side), most)
        // So long and thin a picture that one side would be less than a unit is as long as the pixels allow.
        let longest = most / (side * side)
        let aspect = min(max(width / height, 1 / longest), longest)
        let ideal = ((area * aspect).squareRoot() / side, (area / aspect).squareRoot() / side)
        var best = PixelSize(width: sideMultiple, height: sideMultiple)
        var least = Double.infinity
        for columns in Self.candidates(around: ideal.0) {
            for rows in Self.candidates(around: ideal.1) {
                let size = PixelSize(width: columns * sideMultiple, height: rows * sideMultiple)
                guard refusal(width: size.width, height: size.height) == nil else { continue }
                let (own, pixels) = (Double(size.width) / Double(size.height), Double(size.width * size.height))
                // A wrong shape is seen sooner than a somewhat smaller picture.
                let distance = 3 * abs(log(own / aspect)) + abs(log(pixels / area))
                if distance < least { (best, least) = (size, distance) }
            }
        }
        return best
    }

    private static func candidates(around ideal: Double) -> ClosedRange<Int> {
        let whole = Int(ideal)
        return max(1, whole - 2)...max(1, whole + 2)
    }

    /// Why a size is refused, and one that is not; nil for a size that the model makes.
    package func advice(on size: PixelSize) -> String? {
        guard let reason = refusal(width: size.width, height: size.height) else { return nil }
        let near = nearest(to: size)
        let other = near == defaultSize ? "" : ", the default is \(defaultSize)"
        return "\(reason); the nearest that is made is \(near)\(other)"
    }
}
