import Support

/// The kinds of files that are made. The raw value is the ending of their names.
package enum FileType: String, Sendable, CaseIterable {
    case png, jpg, webp, mp4

    /// Reads the type from the ending of a name, in capitals or not; `.jpeg` is `.jpg`. Returns nil for any other ending.
    package init?(path: String) {
        guard let ending = ContentType.ending(of: path) else { return nil }
        self.init(rawValue: ending == "jpeg" ? "jpg" : ending)
    }

    package init(_ format: PictureFormat) {
        switch format {
        case .png: self = .png
        case .jpeg: self = .jpg
        case .webp: self = .webp
        }
    }

    /// The format of a picture; nil for a clip.
    package var picture: PictureFormat? {
        switch self {
        case .png: .png
        case .jpg: .jpeg
        case .webp: .webp
        case .mp4: nil
        }
    }

    package var contentType: String { ContentType.of(".\(rawValue)") }

    /// The endings that names of such files have, the usual one first.
    package var endings: [String] { self == .jpg ? [rawValue, "jpeg"] : [rawValue] }
}
