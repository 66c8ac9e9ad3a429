/// The lines of a file of keys without blanks around them and without comments, whoever wrote it: UTF-8 with or without
/// a byte order mark, UTF-16 with one, lines that end in LF, CR LF or CR.
struct KeyFileText {
    let lines: [String]

    /// - Throws: `APIKeyFault` for bytes that are no such text.
    init(_ bytes: some Collection<UInt8>) throws(APIKeyFault) {
        guard let text = Self.decode(Array(bytes)) else {
            throw APIKeyFault(description: "it is not text in UTF-8")
        }
        // A CR LF is one Character, so lines are cut by scalars.
        var lines: [String] = []
        var line = String.UnicodeScalarView()
        var last: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n" where last == "\r": break
            case "\n", "\r":
                lines.append(Self.content(of: line))
                line = String.UnicodeScalarView()
            default: line.append(scalar)
            }
            last = scalar
        }
        lines.append(Self.content(of: line))
        self.lines = lines
    }

    private static func decode(_ bytes: [UInt8]) -> String? {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return String(validating: bytes.dropFirst(3), as: UTF8.self) }
        let isLittle = bytes.starts(with: [0xFF, 0xFE])
        guard isLittle || bytes.starts(with: [0xFE, 0xFF]) else { return String(validating: bytes, as: UTF8.self) }
        guard bytes.count.isMultiple(of: 2) else { return nil }
        let units = stride(from: 2, to: bytes.count, by: 2).map { index in
            let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
            return isLittle ? second << 8 | first : first << 8 | second
        }
        return String(validating: units, as: UTF16.self)
    }

    private static func content(of line: String.UnicodeScalarView) -> String {
        let isBlank = { (scalar: Unicode.Scalar) in scalar.properties.isWhitespace || scalar == "\u{FEFF}" }
        var content = Array(line)
        if let mark = content.indices.first(where: { content[$0] == "#" && ($0 == 0 || isBlank(content[$0 - 1])) }) {
            content.removeSubrange(mark...)
        }
        while let last = content.last, isBlank(last) { content.removeLast() }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: content.drop(while: isBlank))
        return String(text)
    }
}
