import Media
import Pictures
import Pipelines
import Support

/// What becomes of finished frames: the file format, and the size.
extension GenerationRequest {
    package static let compressions = 0...100
    /// The most pixels that a frame is scaled to: 4096 x 4096.
    static let mostScaledPixels = 1 << 24

    /// The format of pictures, and of previews of a clip.
    package var pictureFormat: PictureFormat { outputFormat ?? .png }
    package var fileType: FileType { kind == .video ? .mp4 : FileType(pictureFormat) }

    package var deliveredSize: PixelSize { scaledSize ?? PixelSize(width: width, height: height) }

    /// Returns a frame as it is delivered. A frame of another aspect than asked for loses its edges, not its proportions.
    /// - Throws: `ImageError`.
    package func scaled(_ frame: RGBImage) throws -> RGBImage {
        guard let size = scaledSize else { return frame }
        return try frame.fitted(width: size.width, height: size.height, fit: .crop, filter: .lanczos)
    }

    /// - Throws: `MediaError`.
    package func file(of picture: RGBImage, _ notes: FileNotes) throws -> [UInt8] {
        // OpenAI calls the least quality 0, libjpeg and libwebp call it 1.
        try picture.encoded(as: pictureFormat, quality: max(outputCompression ?? 100, 1), notes)
    }

    package func videoOptions(_ notes: FileNotes = FileNotes()) throws(MediaError) -> VideoOptions {
        var options = VideoOptions(
            codec: codec ?? .h264, pixelFormat: pixelFormat ?? .yuv420p, crf: crf, preset: preset,
            frameRate: try FrameRate(fps), comment: notes.parameters, provenance: notes.provenance)
        options.record = notes.record
        return options
    }

    /// Leaves out settings that name the default, so that two requests for the same file are equal.
    func withoutUsualOutput() -> GenerationRequest {
        var request = self
        if outputFormat == .png { request.outputFormat = nil }
        if outputCompression == Self.compressions.upperBound { request.outputCompression = nil }
        return request
    }

    /// - Throws: `ServingError.invalid`.
    func validateOutput() throws(ServingError) {
        let size = deliveredSize
        if scaledSize != nil, size.width > 0, size.height > 0 {
            let (pixels, overflow) = size.width.multipliedReportingOverflow(by: size.height)
            guard !overflow, pixels <= Self.mostScaledPixels else {
                throw .invalid(
                    field: "size", reason: "\(size) is more than the \(Self.mostScaledPixels) pixels that are scaled to"
                )
            }
        }
        switch kind {
        case .image: try validatePictureFile(size)
        case .video: try validateClip(size)
        }
    }

    private func validatePictureFile(_ size: PixelSize) throws(ServingError) {
        let format = pictureFormat
        do throws(MediaError) {
            try format.check(width: size.width, height: size.height)
        } catch {
            throw .invalid(field: scaledSize == nil ? "output_format" : "size", reason: "\(error)")
        }
        guard let outputCompression else { return }
        let range = Self.compressions
        guard range.contains(outputCompression) else {
            throw .invalid(
                field: "output_compression",
                reason: "\(outputCompression) given; allowed is \(range.lowerBound) to \(range.upperBound)")
        }
        // Clients send OpenAI's default with every format; a PNG has no quality, and nothing is lost.
        guard format != .png || outputCompression == range.upperBound else {
            throw .invalid(
                field: "output_compression", reason: "\(outputCompression) given; it is for jpeg and webp, not for png")
        }
    }

    private func validateClip(_ size: PixelSize) throws(ServingError) {
        for (field, isGiven) in [
            ("output_format", outputFormat != nil), ("output_compression", outputCompression != nil),
        ] where isGiven {
            throw .invalid(field: field, reason: "it is for pictures; clips are MP4")
        }
        do throws(MediaError) {
            try videoOptions().check(width: size.width, height: size.height)
        } catch MediaError.invalidOption(let name, let given, let allowed) {
            throw .invalid(field: name, reason: "\(given) given; allowed is \(allowed)")
        } catch {
            throw .invalid(field: "size", reason: "\(error)")
        }
    }
}
