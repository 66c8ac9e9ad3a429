/// The container of WebP (RFC 9649, section 2): chunks of a type, a length and data that is padded to even lengths.
enum RIFF {
    /// The chunks after "RIFF", size and "WEBP".
    ///
    /// - Throws: `truncated` where the file ends within a chunk. What follows the container's own size is passed over.
    static func chunks(of file: [UInt8]) throws(PictureError) -> [(type: String, data: ArraySlice<UInt8>)] {
        guard file.count >= 12 else { throw .truncated(.webp) }
        let end = 8 + number(file, 4)
        guard end <= file.count else { throw .truncated(.webp) }
        var chunks: [(type: String, data: ArraySlice<UInt8>)] = []
        var offset = 12
        while offset + 8 <= end {
            let length = number(file, offset + 4)
            guard length <= end - offset - 8 else { throw .truncated(.webp) }
            let data = file[offset + 8..<offset + 8 + length]
            chunks.append((String(decoding: file[offset..<offset + 4], as: UTF8.self), data))
            offset += 8 + length + length % 2
        }
        return chunks
    }

    static func chunk(_ type: String, _ data: some Collection<UInt8>) -> [UInt8] {
        Array(type.utf8) + littleEndian(data.count, bytes: 4) + data + (data.count % 2 == 1 ? [0] : [])
    }

    /// The whole file of `chunks`.
    static func file(_ chunks: [UInt8]) -> [UInt8] { chunk("RIFF", Array("WEBP".utf8) + chunks) }

    static func littleEndian(_ value: Int, bytes: Int) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    private static func number(_ file: [UInt8], _ offset: Int) -> Int {
        file[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
