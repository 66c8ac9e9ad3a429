/// Sides of a picture, and the rules by which models choose them for a picture that they are given.
package struct PictureSize: Sendable, Equatable {
    package let width: Int
    package let height: Int

    package init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// How a side, whose exact length is a root, becomes a multiple.
    package enum Rounding: Sendable {
        /// Cut: Wan's own code for Wan2.2 I2V (multiples of 16).
        case down
        /// Rounded to an integer, then cut: diffusers' recipe for Wan I2V. It differs from `down` where the root lies
        /// just below a multiple.
        case integerThenDown
        /// Rounds to the nearest multiple: Qwen-Image-Edit (multiples of 32).
        case nearest
    }

    /// Sides of about `area` pixels in this picture's ratio, both multiples of `multiple` and at least that.
    package func scaled(toArea area: Int, multiple: Int, _ rounding: Rounding) -> PictureSize {
        func rounded(_ side: Double) -> Int {
            let sides =
                switch rounding {
                case .down: (side / Double(multiple)).rounded(.down)
                case .integerThenDown: (side.rounded(.toNearestOrEven) / Double(multiple)).rounded(.down)
                case .nearest: (side / Double(multiple)).rounded(.toNearestOrEven)
                }
            return max(Int(sides), 1) * multiple
        }
        // The order of operations is that of the codes named above: roots may lie on the edge of two multiples.
        if rounding == .nearest {
            let ratio = Double(width) / Double(height)
            let wide = (Double(area) * ratio).squareRoot()
            return PictureSize(width: rounded(wide), height: rounded(wide / ratio))
        }
        let ratio = Double(height) / Double(width)
        let wide = (Double(area) / ratio).squareRoot()
        return PictureSize(width: rounded(wide), height: rounded((Double(area) * ratio).squareRoot()))
    }

    /// Sides of at most `area` pixels, both multiples of `multiple`, nearest to this picture's ratio: once with the
    /// width cut first, once with the height; of two as near the latter. Wan's own code for TI2V-5B (`best_output_size`;
    /// multiples of 32).
    package func nearestRatio(withinArea area: Int, multiple: Int) -> PictureSize {
        let ratio = Double(width) / Double(height)
        let wide = (Double(area) * ratio).squareRoot()
        func cut(_ side: Double) -> Int { max(Int((side / Double(multiple)).rounded(.down)), 1) * multiple }
        func beside(_ side: Int) -> Int { cut(Double(area) / Double(side)) }
        let byWidth = PictureSize(width: cut(wide), height: beside(cut(wide)))
        let high = cut(Double(area) / wide)
        let byHeight = PictureSize(width: beside(high), height: high)
        func distance(_ size: PictureSize) -> Double {
            let other = Double(size.width) / Double(size.height)
            return max(ratio / other, other / ratio)
        }
        return distance(byWidth) < distance(byHeight) ? byWidth : byHeight
    }

    /// This size, or, if it has more than `area` pixels, the size of that area in its ratio, sides cut to integers.
    /// FLUX.2 uses this rule for pictures to edit, and then `middle` in multiples of 16.
    package func reduced(toArea area: Int) -> PictureSize {
        guard width * height > area else { return self }
        let scale = (Double(area) / Double(width * height)).squareRoot()
        return PictureSize(
            width: max(Int(Double(width) * scale), 1), height: max(Int(Double(height) * scale), 1))
    }

    /// The shorter side becomes `side`, the other keeps the ratio, cut to an integer: CLIP's rule.
    package func scaled(toShorterSide side: Int) -> PictureSize {
        width <= height
            ? PictureSize(width: side, height: side * height / width)
            : PictureSize(width: side * width / height, height: side)
    }

    /// Both sides cut to multiples of `multiple`, at least that.
    package func cut(toMultiple multiple: Int) -> PictureSize {
        PictureSize(
            width: max(width / multiple, 1) * multiple, height: max(height / multiple, 1) * multiple)
    }

    /// The least scale that covers the sides given; both rounded, halves to even (Wan's own code).
    func covering(width: Int, height: Int) -> PictureSize {
        let scale = max(Double(width) / Double(self.width), Double(height) / Double(self.height))
        func scaled(_ side: Int) -> Int { Int((Double(side) * scale).rounded(.toNearestOrEven)) }
        return PictureSize(width: max(scaled(self.width), width), height: max(scaled(self.height), height))
    }

    /// The largest scale that lies within the sides given (Pillow's `ImageOps.contain`); a side is 1 at least.
    func within(width: Int, height: Int) -> PictureSize {
        let (ratio, other) = (Double(self.width) / Double(self.height), Double(width) / Double(height))
        func rounded(_ side: Double) -> Int { max(Int(side.rounded(.toNearestOrEven)), 1) }
        if ratio > other {
            let high = Double(self.height) / Double(self.width) * Double(width)
            return PictureSize(width: width, height: min(rounded(high), height))
        }
        if ratio < other {
            return PictureSize(width: min(rounded(ratio * Double(height)), width), height: height)
        }
        return PictureSize(width: width, height: height)
    }
}
