import Pictures

/// Why a picture or a clip could not be made.
package enum MediaError: Error, Equatable, CustomStringConvertible {
    case invalidKeyword(String)
    /// A text holds U+0000, which no PNG chunk and no MP4 tag can carry.
    case nulInText(keyword: String)
    case png(String)
    case jpeg(String)
    case webp(String)
    /// A file, or the notes beside its picture, cannot be read.
    case unreadable(String)
    /// The format cannot hold a picture of these sides.
    case unsupportedPictureSize(width: Int, height: Int, format: PictureFormat, allowed: ClosedRange<Int>)
    case invalidQuality(given: Int)
    /// The format has a limit on the metadata that describe a picture.
    case textTooLong(format: PictureFormat, bytes: Int, allowed: Int)

    /// H.264 and AV1 in 4:2:0 carry one chroma sample for each 2 x 2 pixels.
    case oddVideoSize(width: Int, height: Int)
    case unsupportedVideoSize(width: Int, height: Int, codec: String, allowed: String)
    case invalidOption(name: String, given: String, allowed: String)
    /// The installed build of libavcodec has no such encoder.
    case missingEncoder(library: String, codec: String)
    case wrongFrameSize(expected: String, given: String)
    case noFrames(path: String)
    /// `append` or `finish` after `finish`.
    case alreadyFinished(path: String)
    case ffmpeg(operation: String, reason: String)

    package var description: String {
        switch self {
        case .invalidKeyword(let keyword):
            "PNG keyword \"\(keyword)\": it must be 1 to 79 printable Latin-1 characters, "
                + "without leading, trailing or double spaces"
        case .nulInText(let keyword):
            "the text of \"\(keyword)\" contains a NUL character, which the file format cannot hold"
        case .png(let reason):
            "cannot write or read PNG: \(reason)"
        case .jpeg(let reason):
            "cannot write JPEG: \(reason)"
        case .webp(let reason):
            "cannot write WebP: \(reason)"
        case .unreadable(let reason):
            "the file cannot be read: \(reason)"
        case .unsupportedPictureSize(let width, let height, let format, let allowed):
            "a picture of \(width)x\(height) pixels: \(format) takes sides of \(allowed.lowerBound) to "
                + "\(allowed.upperBound)"
        case .invalidQuality(let given):
            "picture quality \(given): allowed is 1 to 100"
        case .textTooLong(let format, let bytes, let allowed):
            "a text of \(bytes) bytes beside a \(format) picture: at most \(allowed) are possible"
        case .oddVideoSize(let width, let height):
            "a video of \(width)x\(height) pixels: width and height must be even (4:2:0 chroma)"
        case .unsupportedVideoSize(let width, let height, let codec, let allowed):
            "a video of \(width)x\(height) pixels: \(codec) takes \(allowed)"
        case .invalidOption(let name, let given, let allowed):
            "video option \(name) is \(given): allowed is \(allowed)"
        case .missingEncoder(let library, let codec):
            "the installed libavcodec has no encoder \(library), so \(codec) cannot be written: "
                + "install an FFmpeg that was built with it, or choose another codec"
        case .wrongFrameSize(let expected, let given):
            "a frame of \(given) pixels in a video of \(expected)"
        case .noFrames(let path):
            "no frame was given for \(path)"
        case .alreadyFinished(let path):
            "\(path) is already finished"
        case .ffmpeg(let operation, let reason):
            "\(operation): \(reason)"
        }
    }
}
