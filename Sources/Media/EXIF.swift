/// Exif data (CIPA DC-008-2023), as JPEG, PNG and WebP carry it: a TIFF file without a picture.
enum EXIF {
    /// The orientation in the first directory; nil where there is none that is known, or the data is damaged.
    static func orientation(_ data: ArraySlice<UInt8>) -> Orientation? {
        let isLittle = data.starts(with: [0x49, 0x49, 0x2A, 0])
        guard isLittle || data.starts(with: [0x4D, 0x4D, 0, 0x2A]) else { return nil }
        func number(_ offset: Int, bytes: Int) -> Int? {
            guard offset >= 0, offset <= data.count - bytes else { return nil }
            let field = data[data.startIndex + offset..<data.startIndex + offset + bytes]
            return isLittle ? field.reversed().reduce(0) { $0 << 8 | Int($1) } : field.reduce(0) { $0 << 8 | Int($1) }
        }
        guard let directory = number(4, bytes: 4), let count = number(directory, bytes: 2) else { return nil }
        for entry in 0..<count {
            let offset = directory + 2 + entry * 12
            guard let tag = number(offset, bytes: 2), let type = number(offset + 2, bytes: 2) else { return nil }
            guard tag == 0x0112 else { continue }
            // SHORT, or LONG as some programs write it.
            guard let value = number(offset + 8, bytes: type == 4 ? 4 : 2) else { return nil }
            return UInt16(exactly: value).flatMap(Orientation.init(rawValue:))
        }
        return nil
    }

    /// Exif data with `comment` as UserComment and nothing else, as piexif makes it for the A1111 web UI: big-endian,
    /// UTF-16 with the character code "UNICODE". Texts that this does not fit into `limit` are stored in
    /// UTF-8, whose code is "ASCII" where it is that, otherwise undefined.
    ///
    /// - Returns: nil where neither fits.
    static func data(comment: String, limit: Int = .max) -> [UInt8]? {
        let unicode = Array("UNICODE\0".utf8) + comment.utf16.flatMap { bigEndian(Int($0), bytes: 2) }
        let ascii = comment.utf8.allSatisfy { $0 < 0x80 } ? Array("ASCII\0\0\0".utf8) : Array(repeating: 0, count: 8)
        let forms = [unicode, ascii + comment.utf8].map(data(userComment:))
        return forms.first { $0.count <= limit }
    }

    /// Header, a directory of one entry that leads to the Exif directory, and that, of the comment alone.
    private static func data(userComment: [UInt8]) -> [UInt8] {
        let (exifDirectory, comment) = (26, 44)
        var data: [UInt8] = [0x4D, 0x4D, 0, 0x2A] + bigEndian(8, bytes: 4)
        data += directory(tag: 0x8769, type: 4, count: 1, value: exifDirectory)
        data += directory(tag: 0x9286, type: 7, count: userComment.count, value: comment)
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
