/// Frames per second, as a fraction: 16, 30000/1001.
package struct FrameRate: Sendable, Equatable, CustomStringConvertible {
    package let numerator: Int32
    package let denominator: Int32

    /// - Throws: `invalidOption` unless both are in 1...1,000,000 and the rate is at most 1000.
    package init(_ numerator: Int, per denominator: Int = 1) throws(MediaError) {
        let bounds = 1...1_000_000
        guard bounds.contains(numerator), bounds.contains(denominator), numerator <= 1000 * denominator else {
            throw .invalidOption(
                name: "fps", given: "\(numerator)/\(denominator)",
                allowed: "a positive fraction of at most 1000, its terms at most 1000000")
        }
        self.numerator = Int32(numerator)
        self.denominator = Int32(denominator)
    }

    private init(checked numerator: Int32) {
        self.numerator = numerator
        denominator = 1
    }

    /// What clips play at where nobody says otherwise.
    package static let usual = FrameRate(checked: 16)

    package var description: String { denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)" }
}

/// How a clip is coded. The defaults are H.264 that looks like the frames and plays everywhere.
package struct VideoOptions: Sendable, Equatable {
    package enum Codec: String, Codable, Sendable, CaseIterable {
        /// H.264 by x264, whose licence is the GPL.
        case h264
        /// AV1 by SVT-AV1, whose licence is BSD.
        case av1
    }

    package enum PixelFormat: String, Codable, Sendable, CaseIterable {
        /// One chroma sample for each 2 x 2 pixels: what every player shows.
        case yuv420p
        /// Chroma for each pixel. H.264 then is High 4:4:4 Predictive, which few hardware decoders know.
        case yuv444p
    }

    package var codec: Codec
    package var pixelFormat: PixelFormat
    /// Constant rate factor: less is better and larger. nil: 18 for H.264, 30 for AV1.
    package var crf: Int?
    /// Speed against size, by the encoder's own name. nil: "medium" for H.264, "8" for AV1.
    package var preset: String?
    package var frameRate: FrameRate
    /// The file's `comment` tag.
    package var comment: String?
    /// Stands behind the clip as XMP; nil leaves it out.
    package var provenance: Provenance?
    /// What a program is to read again, under the tag `recordTag`: MP4 keeps only tags of a fixed list.
    package var record: String?

    package static let recordTag = "synopsis"

    package init(
        codec: Codec = .h264, pixelFormat: PixelFormat = .yuv420p, crf: Int? = nil, preset: String? = nil,
        frameRate: FrameRate = .usual,
        comment: String? = nil, provenance: Provenance? = nil
    ) {
        self.codec = codec
        self.pixelFormat = pixelFormat
        self.crf = crf
        self.preset = preset
        self.frameRate = frameRate
        self.comment = comment
        self.provenance = provenance
    }

    /// - Throws: `invalidOption`, `nulInText`, `oddVideoSize`, `unsupportedVideoSize`.
    package func check(width: Int, height: Int) throws(MediaError) {
        guard codec.crfs.contains(chosenCRF) else {
            throw .invalidOption(
                name: "crf", given: "\(chosenCRF)", allowed: "\(codec.crfs.lowerBound) to \(codec.crfs.upperBound)")
        }
        guard codec.presets.contains(chosenPreset) else {
            throw .invalidOption(
                name: "preset", given: "\"\(chosenPreset)\"", allowed: codec.presets.joined(separator: ", "))
        }
        guard codec == .h264 || pixelFormat == .yuv420p else {
            throw .invalidOption(name: "pixel_format", given: pixelFormat.rawValue, allowed: "yuv420p with AV1")
        }
        for (name, text) in [("comment", comment), (Self.recordTag, record)] {
            if let text, text.unicodeScalars.contains("\0") { throw .nulInText(keyword: name) }
        }
        guard pixelFormat == .yuv444p || (width.isMultiple(of: 2) && height.isMultiple(of: 2)) else {
            throw .oddVideoSize(width: width, height: height)
        }
        guard codec.sides.contains(width), codec.sides.contains(height) else {
            throw .unsupportedVideoSize(
                width: width, height: height, codec: codec.encoderName,
                allowed: "sides of \(codec.sides.lowerBound) to \(codec.sides.upperBound)")
        }
    }

    var chosenCRF: Int {
        switch codec {
        case .h264: crf ?? 18
        case .av1: crf ?? 30
        }
    }

    var chosenPreset: String {
        switch codec {
        case .h264: preset ?? "medium"
        case .av1: preset ?? "8"
        }
    }
}

extension VideoOptions.Codec {
    /// libavcodec's name of the encoder.
    var encoderName: String {
        switch self {
        case .h264: "libx264"
        case .av1: "libsvtav1"
        }
    }

    /// H.264 from 1: x264 takes 0 as lossless, which is the High 4:4:4 Predictive profile that no browser plays.
    fileprivate var crfs: ClosedRange<Int> {
        switch self {
        case .h264: 1...51
        case .av1: 1...63
        }
    }

    /// Fast to slow. x264's "ultrafast" is left out: it turns off what makes the High profile.
    fileprivate var presets: [String] {
        switch self {
        case .h264: ["superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]
        case .av1: (1...12).reversed().map(String.init)
        }
    }

    /// What libx264 and SVT-AV1 1.4 accept as a side.
    fileprivate var sides: ClosedRange<Int> {
        switch self {
        case .h264: 2...16_384
        case .av1: 64...16_384
        }
    }
}
