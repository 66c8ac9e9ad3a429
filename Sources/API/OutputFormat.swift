import Jobs

/// What a picture is answered as: `output_format`.
enum OutputFormat: String, Sendable, CaseIterable {
    case png

    /// Whether `output_compression` means something.
    var hasQuality: Bool {
        switch self {
        case .png: false
        }
    }

    /// - Throws: `APIError` for one that there is not, and for a compression of one that has none.
    static func read(_ fields: Fields) throws -> OutputFormat {
        let name = try fields.choice("output_format", of: allCases.map(\.rawValue))
        let format = name.flatMap(OutputFormat.init(rawValue:)) ?? .png
        let compression = try fields.integer("output_compression", in: 0...100)
        // 100 is OpenAI's default, which clients send with every format.
        guard compression == nil || compression == 100 || format.hasQuality else {
            throw APIError.invalid(
                "output_compression", "output_compression is for other formats than \(format.rawValue)")
        }
        return format
    }
}
