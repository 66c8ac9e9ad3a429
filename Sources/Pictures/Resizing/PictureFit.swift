/// What becomes of a picture whose sides have another ratio than those asked for.
package enum PictureFit: String, Codable, Sendable, CaseIterable {
    /// Scaled until it covers the sides, then the middle: what Wan's own code does (diffusers' reference code squeezes).
    case crop
    /// Scaled until it lies within the sides, on a plain ground: Pillow's `ImageOps.pad`.
    case pad
    /// Each axis by its own scale.
    case stretch
}

extension RGBImage {
    /// The picture, or a part of it, in other sides; to the bit what Pillow's `resize` gives.
    ///
    /// - Throws: `invalidSize`, `invalidBox`.
    package func resized(
        width: Int, height: Int, filter: ResizeFilter, box: ResizeBox? = nil
    ) throws(ImageError) -> RGBImage {
        try Self.check(width: width, height: height)
        let box = box ?? ResizeBox(width: self.width, height: self.height)
        try box.check(width: self.width, height: self.height)
        let bytes = resampler.resized(
            box, to: (width, height), columns: 0..<width, rows: 0..<height, filter)
        return try RGBImage(width: width, height: height, bytes: bytes)
    }

    /// The picture in sides of another ratio.
    ///
    /// - Parameter ground: red, green and blue around a padded picture.
    /// - Throws: `invalidSize`.
    package func fitted(
        width: Int, height: Int, fit: PictureFit = .crop, filter: ResizeFilter = .lanczos,
        ground: SIMD3<UInt8> = SIMD3(0, 0, 0)
    ) throws(ImageError) -> RGBImage {
        switch fit {
        case .stretch: try resized(width: width, height: height, filter: filter)
        case .crop: try covering(width: width, height: height, filter)
        case .pad: try padded(width: width, height: height, filter, ground)
        }
    }

    /// The middle, unscaled; where the sides cannot be halved evenly, the pixel more lies right and below.
    ///
    /// - Throws: `invalidBox` for sides larger than the picture's, `invalidSize`.
    package func middle(width: Int, height: Int) throws(ImageError) -> RGBImage {
        guard width <= self.width, height <= self.height else {
            throw .invalidBox("\(width)x\(height) of \(self.width)x\(self.height)")
        }
        try Self.check(width: width, height: height)
        let (left, top) = ((self.width - width) / 2, (self.height - height) / 2)
        let bytes = resampler.cut(left..<left + width, top..<top + height)
        return try RGBImage(width: width, height: height, bytes: bytes)
    }

    private func covering(width: Int, height: Int, _ filter: ResizeFilter) throws(ImageError) -> RGBImage {
        try Self.check(width: width, height: height)
        let size = PictureSize(width: self.width, height: self.height).covering(width: width, height: height)
        let (left, top) = ((size.width - width) / 2, (size.height - height) / 2)
        // Only what is kept is made: of a picture of one row the whole would have millions.
        let bytes = resampler.resized(
            ResizeBox(width: self.width, height: self.height), to: (size.width, size.height),
            columns: left..<left + width, rows: top..<top + height, filter)
        return try RGBImage(width: width, height: height, bytes: bytes)
    }

    private func padded(
        width: Int, height: Int, _ filter: ResizeFilter, _ ground: SIMD3<UInt8>
    ) throws(ImageError) -> RGBImage {
        try Self.check(width: width, height: height)
        let size = PictureSize(width: self.width, height: self.height).within(width: width, height: height)
        let inner = try resized(width: size.width, height: size.height, filter: filter)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(width * height * 3)
        for _ in 0..<width * height { bytes += [ground.x, ground.y, ground.z] }
        // Python's rounding: halves to the even neighbour.
        let left = Int((Double(width - size.width) * 0.5).rounded(.toNearestOrEven))
        let top = Int((Double(height - size.height) * 0.5).rounded(.toNearestOrEven))
        for row in 0..<size.height {
            let start = ((top + row) * width + left) * 3
            let source = row * size.width * 3
            bytes.replaceSubrange(
                start..<start + size.width * 3, with: inner.bytes[source..<source + size.width * 3])
        }
        return try RGBImage(width: width, height: height, bytes: bytes)
    }

    private var resampler: Resampler { Resampler(samples: bytes, width: width, height: height, channels: 3) }

    private static func check(width: Int, height: Int) throws(ImageError) {
        guard (1...largestSide).contains(width), (1...largestSide).contains(height) else {
            throw .invalidSize(width: width, height: height)
        }
    }
}
