/// Why samples make no picture.
package enum ImageError: Error, Equatable, CustomStringConvertible {
    /// An image side is not in `1...RGBImage.largestSide`.
    case invalidSize(width: Int, height: Int)
    /// The samples given do not fill `width` x `height` x channels.
    case wrongSampleCount(expected: Int, given: Int)
    /// A float sample is NaN or infinite: the network that made it went wrong, and black would hide that.
    case notFinite(value: Float, index: Int)
    /// A part of a picture that is empty or not inside of it.
    case invalidBox(String)

    package var description: String {
        switch self {
        case .invalidSize(let width, let height):
            "an image of \(width)x\(height) pixels: each side must be 1 to \(RGBImage.largestSide)"
        case .wrongSampleCount(let expected, let given):
            "\(given) samples given for an image that takes \(expected)"
        case .notFinite(let value, let index):
            "sample \(index) of the image is \(value): the model produced numbers that are not finite"
        case .invalidBox(let box):
            "the part \(box) of the picture is empty or not inside of it"
        }
    }
}
