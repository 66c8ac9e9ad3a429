/// How stored pixels are to be turned to be seen upright: the values of the Exif tag Orientation (CIPA DC-008, 4.6.4 A).
package enum Orientation: UInt16, Sendable, CaseIterable {
    case upright = 1
    case mirrored = 2
    case turnedAround = 3
    case flipped = 4
    /// Mirrored along the diagonal from the top left.
    case transposed = 5
    /// A quarter turn clockwise makes it upright.
    case turnsRight = 6
    /// Mirrored along the other diagonal.
    case transversed = 7
    /// A quarter turn counterclockwise makes it upright.
    case turnsLeft = 8

    package var swapsSides: Bool { rawValue >= 5 }

    /// The picture as it is to be seen.
    ///
    /// - Parameters:
    ///   - samples: `[height, width, channels]` as stored.
    /// - Returns: the same with the sides swapped where `swapsSides`.
    func upright(_ samples: [UInt8], width: Int, height: Int, channels: Int) -> [UInt8] {
        guard self != .upright else { return samples }
        // Where the first sample seen lies in the store, and how far apart neighbours of a row and rows lie.
        let (last, bottom) = (width - 1, (height - 1) * width)
        let (first, across, down) =
            switch self {
            case .upright: (0, 1, width)
            case .mirrored: (last, -1, width)
            case .turnedAround: (bottom + last, -1, -width)
            case .flipped: (bottom, 1, -width)
            case .transposed: (0, width, 1)
            case .turnsRight: (bottom, -width, 1)
            case .transversed: (bottom + last, -width, -1)
            case .turnsLeft: (last, width, -1)
            }
        let (rows, columns) = swapsSides ? (width, height) : (height, width)
        var seen = [UInt8](repeating: 0, count: samples.count)
        let source = samples.span
        var target = seen.mutableSpan
        var index = 0
        for row in 0..<rows {
            var pixel = (first + row * down) * channels
            for _ in 0..<columns {
                for channel in 0..<channels { target[index + channel] = source[pixel + channel] }
                index += channels
                pixel += across * channels
            }
        }
        return seen
    }
}
