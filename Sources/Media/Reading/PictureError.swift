/// Why bytes that somebody sent are not taken as a picture. The texts are fit for an answer to who sent them.
package enum PictureError: Error, Equatable, CustomStringConvertible {
    case empty
    /// Bytes of no format that is known.
    case unknownFormat
    /// A format that is known by its first bytes and not read: "GIF".
    case unsupportedFormat(String)
    case animated(PictureFormat)
    /// The sides are those that the file declares.
    case tooManyPixels(width: Int, height: Int, limit: Int)
    case sideTooLong(width: Int, height: Int, limit: Int)
    case truncated(PictureFormat)
    /// `reason` is the library's or ours: damage, a contradiction, or a variant that the library does not read.
    case unreadable(PictureFormat, reason: String)
    case outOfMemory

    package var description: String {
        switch self {
        case .empty:
            "the picture is empty: it has no bytes"
        case .unknownFormat:
            "the data is not a picture in a known format: send PNG, JPEG or WebP"
        case .unsupportedFormat(let name):
            "the data is \(name), which is not read: send PNG, JPEG or WebP"
        case .animated(let format):
            "the \(format) picture is animated: send a single picture"
        case .tooManyPixels(let width, let height, let limit):
            "the picture of \(width)x\(height) pixels is too large: at most \(limit) pixels are taken"
        case .sideTooLong(let width, let height, let limit):
            "the picture of \(width)x\(height) pixels is too large: a side may have at most \(limit)"
        case .truncated(let format):
            "the \(format) picture is truncated: the data ends too early"
        case .unreadable(let format, let reason):
            "the \(format) picture cannot be read: \(reason)"
        case .outOfMemory:
            "there is not enough memory to read the picture"
        }
    }
}
