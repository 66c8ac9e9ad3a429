/// Exif data (CIPA DC-008-2023), as JPEG, PNG and WebP carry it: a TIFF file without a picture.
enum EXIF {
    /// The orientation in the first directory; nil where there is none that is known, or the data is damaged.
    static func orientation(_ data: ArraySlice<UInt8>) -> Orientation? {
        guard let file = Directories(data), let first = file.first, let entry = file.entry(orientationTag, in: first)
        else { return nil }
        // SHORT, or LONG as some programs write it.
        guard let type = file.number(entry + 2, bytes: 2),
            let value = file.number(entry + 8, bytes: type == 4 ? 4 : 2)
        else { return nil }
        return UInt16(exactly: value).flatMap(Orientation.init(rawValue:))
    }

    /// The text of UserComment; nil where there is none, or the data is damaged.
    static func comment(_ data: ArraySlice<UInt8>) -> String? {
        guard let file = Directories(data), let first = file.first,
            let pointer = file.entry(exifTag, in: first), let exif = file.number(pointer + 8, bytes: 4),
            let entry = file.entry(commentTag, in: exif), let count = file.number(entry + 4, bytes: 4), count >= 8,
            let offset = file.number(entry + 8, bytes: 4), let bytes = file.bytes(offset, count)
        else { return nil }
        let text = bytes.dropFirst(8)
        guard bytes.starts(with: unicode) else { return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self) }
        let units = stride(from: text.startIndex, to: text.endIndex - 1, by: 2).map { index in
            let (high, low) = file.isLittle ? (text[index + 1], text[index]) : (text[index], text[index + 1])
            return UInt16(high) << 8 | UInt16(low)
        }
        return String(decoding: units, as: UTF16.self)
    }

    private static let (orientationTag, exifTag, commentTag) = (0x0112, 0x8769, 0x9286)
    private static let unicode = Array("UNICODE\0".utf8)

    /// A reader of numbers and directories of a TIFF file. Each function returns nil for what the data does not have.
    private struct Directories {
        let data: ArraySlice<UInt8>
        let isLittle: Bool

        init?(_ data: ArraySlice<UInt8>) {
            isLittle = data.starts(with: [0x49, 0x49, 0x2A, 0])
            guard isLittle || data.starts(with: [0x4D, 0x4D, 0, 0x2A]) else { return nil }
            self.data = data
        }

        /// Where the first directory lies.
        var first: Int? { number(4, bytes: 4) }

        func bytes(_ offset: Int, _ count: Int) -> ArraySlice<UInt8>? {
            guard offset >= 0, count >= 0, count <= data.count, offset <= data.count - count else { return nil }
            return data[data.startIndex + offset..<data.startIndex + offset + count]
        }

        func number(_ offset: Int, bytes count: Int) -> Int? {
            guard let field = bytes(offset, count) else { return nil }
            return isLittle ? field.reversed().reduce(0) { $0 << 8 | Int($1) } : field.reduce(0) { $0 << 8 | Int($1) }
        }

        /// Where the entry of a tag lies: tag and type of 2 bytes each, count and value of 4 each.
        func entry(_ tag: Int, in directory: Int) -> Int? {
            guard let count = number(directory, bytes: 2) else { return nil }
            for index in 0..<count {
                let offset = directory + 2 + index * 12
                guard let found = number(offset, bytes: 2) else { return nil }
                if found == tag { return offset }
            }
            return nil
        }
    }

    // MARK: Writing

    /// Exif data with `comment` as UserComment and nothing else, as piexif makes it for the A1111 web UI: big-endian,
    /// UTF-16 with the character code "UNICODE". Texts that this does not fit into `limit` are stored in
    /// UTF-8, whose code is "ASCII" where it is that, otherwise undefined.
    ///
    /// - Returns: nil where neither fits.
    static func data(comment: String, limit: Int = .max) -> [UInt8]? {
        let wide = unicode + comment.utf16.flatMap { bigEndian(Int($0), bytes: 2) }
        let ascii = comment.utf8.allSatisfy { $0 < 0x80 } ? Array("ASCII\0\0\0".utf8) : Array(repeating: 0, count: 8)
        let forms = [wide, ascii + comment.utf8].map(data(userComment:))
        return forms.first { $0.count <= limit }
    }

    /// Header, a directory of one entry that leads to the Exif directory, and that, of the comment alone.
    private static func data(userComment: [UInt8]) -> [UInt8] {
        let (exifDirectory, comment) = (26, 44)
        var data: [UInt8] = [0x4D, 0x4D, 0, 0x2A] + bigEndian(8, bytes: 4)
        data += directory(tag: exifTag, type: 4, count: 1, value: exifDirectory)
        data += directory(tag: commentTag, type: 7, count: userComment.count, value: comment)
        return data + userComment
    }

    /// A directory of one entry, with no other after it: 18 bytes.
    private static func directory(tag: Int, type: Int, count: Int, value: Int) -> [UInt8] {
        bigEndian(1, bytes: 2) + bigEndian(tag, bytes: 2) + bigEndian(type, bytes: 2) + bigEndian(count, bytes: 4)
            + bigEndian(value, bytes: 4) + bigEndian(0, bytes: 4)
    }

    private static func bigEndian(_ value: Int, bytes: Int) -> [UInt8] {
        (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
}
