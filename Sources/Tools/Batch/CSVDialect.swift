/// Which byte separates the fields of a file, and where its records begin.
///
/// A spreadsheet writes the separator of its user's country, and calls all of them CSV.
struct CSVDialect {
    let separator: UInt8
    /// Where the records begin: behind Excel's line `sep=;`, if there is one.
    let start: Int
    /// The number of the line at `start`.
    let firstLine: Int

    /// The separators that spreadsheets offer, the likelier first.
    static let separators: [UInt8] = [",", ";", "\t", "|"].map { UInt8(ascii: $0) }

    /// - Parameters:
    ///   - bytes: UTF-8 without a byte order mark.
    ///   - isField: whether a manifest has a field of that name. The separator that makes most of these out of the first
    ///     line is the file's.
    init(_ bytes: [UInt8], isField: (String) -> Bool) {
        if let stated = Self.stated(bytes) {
            (separator, start, firstLine) = (stated.separator, stated.end, 2)
            return
        }
        var best = (separator: Self.separators[0], known: 0)
        for separator in Self.separators {
            let header = CSVReader(bytes, separator: separator, most: 1).records.first
            let known = (header?.fields ?? []).count(where: isField)
            if known > best.known { best = (separator, known) }
        }
        (separator, start, firstLine) = (best.separator, 0, 1)
    }

    /// What separates the fields, in a person's word.
    var name: String {
        switch separator {
        case UInt8(ascii: ","): "comma"
        case UInt8(ascii: ";"): "semicolon"
        case UInt8(ascii: "\t"): "tab"
        default: "'\(Character(Unicode.Scalar(separator)))'"
        }
    }

    /// `sep=;` on the first line, which tells Excel the separator.
    private static func stated(_ bytes: [UInt8]) -> (separator: UInt8, end: Int)? {
        let line = bytes.prefix(16).prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        let text = line.filter { $0 != UInt8(ascii: "\"") }
        guard text.count == 5, String(decoding: text.prefix(4), as: UTF8.self).lowercased() == "sep=",
            let separator = text.last, separator < 0x80
        else { return nil }
        let ends = bytes[line.endIndex...].prefix(2)
        return (separator, line.endIndex + (ends.elementsEqual("\r\n".utf8) ? 2 : min(ends.count, 1)))
    }
}
