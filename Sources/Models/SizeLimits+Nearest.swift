import Foundation
import Pictures
import Support

/// What a server makes of a size that its model does not.
package enum SizePolicy: String, Sendable, CaseIterable {
    /// Refuses it, and says which one is near.
    case exact
    /// Makes the nearest size of about the same aspect, and says so.
    case nearest
    /// Makes the same as `nearest`, and scales it to the size that was asked for.
    case scale
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
        let ratio = max(aspect, 1 / aspect)
        let units = area / (side * side)
        var best = PixelSize(width: sideMultiple, height: sideMultiple)
        var least = Double.infinity
        // For a short side the long one that is best has about the aspect, or about the area.
        for short in 1...Int((units / ratio).squareRoot() * 1.5) + 1 {
            for ideal in [Double(short) * ratio, units / Double(short)] {
                for long in [max(Int(ideal), 1), Int(ideal) + 1] {
                    let (columns, rows) = aspect >= 1 ? (long, short) : (short, long)
                    let size = PixelSize(width: columns * sideMultiple, height: rows * sideMultiple)
                    guard refusal(width: size.width, height: size.height) == nil else { continue }
                    let own = Double(size.width) / Double(size.height)
                    // A wrong shape is seen sooner than a somewhat smaller picture.
                    let distance = 3 * abs(log(own / aspect)) + abs(log(Double(size.width * size.height) / area))
                    if distance < least { (best, least) = (size, distance) }
                }
            }
        }
        return best
    }

    /// The size of the default area that has about the aspect of a picture; the default size itself where that is its aspect.
    package func usual(like picture: PixelSize) -> PixelSize {
        guard picture.width * defaultHeight != picture.height * defaultWidth else { return defaultSize }
        let aspect = Double(max(picture.width, 1)) / Double(max(picture.height, 1))
        let area = Double(defaultWidth * defaultHeight)
        let longest = Double(maximumPixels)
        func side(_ value: Double) -> Int { Int(min(max(value, 1), longest)) }
        return nearest(
            to: PixelSize(width: side((area * aspect).squareRoot()), height: side((area / aspect).squareRoot())))
    }

    /// The size of the default area in a picture's ratio: both sides to the nearest of such multiples, then cut to those that
    /// are made.
    package func usual(like picture: PictureSize, multiple: Int) -> PictureSize {
        picture.scaled(toArea: defaultWidth * defaultHeight, multiple: multiple, .nearest)
            .cut(toMultiple: sideMultiple)
    }

    /// Why a size is refused, and one that is not; nil for a size that the model makes.
    package func advice(on size: PixelSize) -> String? {
        guard let reason = refusal(width: size.width, height: size.height) else { return nil }
        let near = nearest(to: size)
        let other = near == defaultSize ? "" : ", the default is \(defaultSize)"
        return "\(reason); the nearest that is made is \(near)\(other)"
    }
}
