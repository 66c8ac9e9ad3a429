import Pictures

/// The formats of pictures that are read and written.
package enum PictureFormat: String, Codable, Sendable, CaseIterable, CustomStringConvertible {
    case png, jpeg, webp

    package var description: String {
        switch self {
        case .png: "PNG"
        case .jpeg: "JPEG"
        case .webp: "WebP"
        }
    }

    package var contentType: String { FileType(self).contentType }

    /// The sides that libpng, libjpeg-turbo and libwebp write.
    package var sides: ClosedRange<Int> {
        switch self {
        case .png: 1...RGBImage.largestSide
        case .jpeg: 1...65_500
        case .webp: 1...16_383
        }
    }

    /// - Throws: `unsupportedPictureSize`.
    package func check(width: Int, height: Int) throws(MediaError) {
        guard sides.contains(width), sides.contains(height) else {
            throw .unsupportedPictureSize(width: width, height: height, format: self, allowed: sides)
        }
    }

    /// The format of a file, told from its first bytes alone.
    ///
    /// - Throws: `empty`, `unsupportedFormat` for what is something else that is known, `unknownFormat`.
    package init(of file: [UInt8]) throws(PictureError) {
        guard !file.isEmpty else { throw .empty }
        if file.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if file.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if file.starts(with: Self.ascii("RIFF")), file.dropFirst(8).starts(with: Self.ascii("WEBP")) {
            self = .webp
        } else if let name = Self.nameOfOther(file) {
            throw .unsupportedFormat(name)
        } else {
            throw .unknownFormat
        }
    }

    /// What people send instead, in words that complete "the data is ...".
    private static func nameOfOther(_ file: [UInt8]) -> String? {
        for (name, offset, signature) in signatures where file.dropFirst(offset).starts(with: signature) { return name }
        if file.count >= 12, file[4..<8].elementsEqual("ftyp".utf8) {
            return brands[String(decoding: file[8..<12], as: UTF8.self)] ?? "a video or another ISO media file"
        }
        return nameOfText(file)
    }

    private static let signatures: [(name: String, offset: Int, bytes: [UInt8])] = [
        ("a GIF", 0, ascii("GIF8")),
        ("a BMP", 0, ascii("BM")),
        ("a TIFF", 0, [0x49, 0x49, 0x2A, 0]), ("a TIFF", 0, [0x4D, 0x4D, 0, 0x2A]),
        ("a TIFF", 0, [0x49, 0x49, 0x2B, 0]), ("a TIFF", 0, [0x4D, 0x4D, 0, 0x2B]),
        ("a JPEG XL", 0, [0xFF, 0x0A]), ("a JPEG XL", 4, ascii("JXL \r\n")),
        ("a JPEG 2000", 4, ascii("jP  \r\n")), ("a JPEG 2000", 0, [0xFF, 0x4F, 0xFF, 0x51]),
        ("a Photoshop file", 0, ascii("8BPS")),
        ("an icon (ICO)", 0, [0, 0, 1, 0]),
        ("an OpenEXR", 0, [0x76, 0x2F, 0x31, 0x01]),
        ("a Radiance HDR", 0, ascii("#?RADIANCE")),
        ("a QOI", 0, ascii("qoif")),
        ("a DDS", 0, ascii("DDS ")),
        ("a PDF", 0, ascii("%PDF")),
        ("a Matroska or WebM video", 0, [0x1A, 0x45, 0xDF, 0xA3]),
        ("an AVI video", 8, ascii("AVI ")),
        ("a WAVE sound", 8, ascii("WAVE")),
        ("a ZIP archive", 0, [0x50, 0x4B, 3, 4]),
        ("gzip data", 0, [0x1F, 0x8B]),
        ("a Netpbm picture", 0, ascii("P1\n")), ("a Netpbm picture", 0, ascii("P2\n")),
        ("a Netpbm picture", 0, ascii("P3\n")), ("a Netpbm picture", 0, ascii("P4\n")),
        ("a Netpbm picture", 0, ascii("P5\n")), ("a Netpbm picture", 0, ascii("P6\n")),
    ]

    private static func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// Major brands of ISO base media files that hold pictures.
    private static let brands = [
        "avif": "an AVIF", "avis": "an AVIF", "heic": "a HEIC", "heix": "a HEIC", "heim": "a HEIC", "heis": "a HEIC",
        "hevc": "a HEIC", "hevx": "a HEIC", "mif1": "a HEIF", "msf1": "a HEIF", "crx ": "a Canon raw picture",
    ]

    /// Markup and what else is sent where a picture should be, told from the first 4096 bytes.
    private static func nameOfText(_ file: [UInt8]) -> String? {
        var text = file.prefix(4096)
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
        text = text.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
        let lower = text.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        func starts(_ word: String) -> Bool { lower.starts(with: ascii(word)) }
        if starts("<") {
            if contains(lower, "<svg") { return "an SVG" }
            return starts("<!doctype html") || contains(lower, "<html") ? "an HTML page" : "XML or HTML text"
        }
        if starts("data:") { return "a data URI, not the bytes it stands for" }
        if starts("http://") || starts("https://") { return "an address, not the picture there" }
        if starts("{") { return "JSON text" }
        if starts("version https://git-lfs") { return "a Git LFS pointer, not the picture it stands for" }
        // Base64 of the signatures of PNG, JPEG, WebP and GIF.
        for word in ["ivborw0kggo", "/9j/", "uklgr", "r0lgod"] where starts(word) {
            return "Base64 text, not the bytes it stands for"
        }
        return nil
    }

    private static func contains(_ text: [UInt8], _ word: String) -> Bool {
        let word = ascii(word)
        guard text.count >= word.count else { return false }
        return (0...text.count - word.count).contains { text[$0..<$0 + word.count].elementsEqual(word) }
    }
}
