/// The kinds of files that are made. The raw value is the ending of their names.
package enum FileType: String, Sendable, CaseIterable {
    case png, jpg, webp, mp4

    /// Reads the type from the ending of a name, in capitals or not; `.jpeg` is `.jpg`. Returns nil for any other ending.
    package init?(path: String) {
        let name =
            path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).last ?? path.utf8[...]
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")) else { return nil }
        let ending = String(Substring(name[name.index(after: dot)...])).lowercased()
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

    package var contentType: String { picture?.contentType ?? "video/mp4" }

    /// The endings that names of such files have, the usual one first.
    package var endings: [String] { self == .jpg ? [rawValue, "jpeg"] : [rawValue] }
}
