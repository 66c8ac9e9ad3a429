import Foundation
import Media
import Pictures

/// All pictures of a batch on one, small, in the order of the manifest; of a clip its middle frame.
package enum ContactSheet {
    private static let gap = 4
    private static let mostPictures = 2500

    /// - Parameter paths: pictures and clips; one that cannot be read leaves its place empty.
    /// - Returns: nil for none.
    package static func make(of paths: [String]) throws(ImageError) -> RGBImage? {
        guard !paths.isEmpty else { return nil }
        // Of very many, as many as can be seen, at equal distances.
        let count = min(paths.count, mostPictures)
        let shown = (0..<count).map { paths[$0 * paths.count / count] }
        let side = count <= 100 ? 128 : count <= 400 ? 96 : 64
        let columns = min(max(Int(Double(count).squareRoot().rounded(.up)), 1), 40)
        let rows = (count + columns - 1) / columns
        let (width, height) = (columns * (side + gap) + gap, rows * (side + gap) + gap)
        var bytes = [UInt8](repeating: 0xF4, count: width * height * 3)
        for (index, path) in shown.enumerated() {
            guard let picture = try? picture(path) else { continue }
            let small = try fitted(picture, side)
            // In the middle of its place.
            let left = gap + index % columns * (side + gap) + (side - small.width) / 2
            let top = gap + index / columns * (side + gap) + (side - small.height) / 2
            for y in 0..<small.height {
                let target = ((top + y) * width + left) * 3
                let source = y * small.width * 3
                bytes.replaceSubrange(
                    target..<target + small.width * 3, with: small.bytes[source..<source + small.width * 3])
            }
        }
        return try RGBImage(width: width, height: height, bytes: bytes)
    }

    private static func picture(_ path: String) throws -> RGBImage {
        guard FileType(path: path) != .mp4 else { return try VideoReader.middleFrame(path: path) }
        return try Picture.decode(Array(Data(contentsOf: URL(filePath: path))), limits: .none)
    }

    /// Means of the pixels that fall on each of the small ones; never enlarged.
    private static func fitted(_ image: RGBImage, _ side: Int) throws(ImageError) -> RGBImage {
        let longest = max(image.width, image.height)
        guard longest > side else { return image }
        let (width, height) = (max(image.width * side / longest, 1), max(image.height * side / longest, 1))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(width * height * 3)
        for y in 0..<height {
            let rows = y * image.height / height..<max((y + 1) * image.height / height, y * image.height / height + 1)
            for x in 0..<width {
                let from = x * image.width / width
                let columns = from..<max((x + 1) * image.width / width, from + 1)
                for channel in 0..<3 {
                    var sum = 0
                    for row in rows {
                        for column in columns { sum += Int(image.bytes[(row * image.width + column) * 3 + channel]) }
                    }
                    let area = rows.count * columns.count
                    bytes.append(UInt8((sum + area / 2) / area))
                }
            }
        }
        return try RGBImage(width: width, height: height, bytes: bytes)
    }
}
