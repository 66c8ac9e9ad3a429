/// The single-byte code page most text on the web was once in, as browsers read it: the five bytes without a
/// character stand for the C1 control of the same number.
enum Windows1252 {
    /// Bytes 0x80…0x9F; all others equal Latin-1.
    private static let upper: [Unicode.Scalar] = [
        "€", "\u{81}", "‚", "ƒ", "„", "…", "†", "‡", "ˆ", "‰", "Š", "‹", "Œ", "\u{8D}", "Ž", "\u{8F}",
        "\u{90}", "‘", "’", "“", "”", "•", "–", "—", "˜", "™", "š", "›", "œ", "\u{9D}", "ž", "Ÿ",
    ]
    private static let bytes = Dictionary(
        uniqueKeysWithValues: upper.enumerated().map { ($1, UInt8(0x80 + $0)) })

    static func scalar(_ byte: UInt8) -> Unicode.Scalar {
        (0x80...0x9F).contains(byte) ? upper[Int(byte) - 0x80] : Unicode.Scalar(byte)
    }

    /// The byte that reads as `scalar` in Windows-1252 or in Latin-1 (where 0x80…0x9F are the C1 controls).
    static func byte(_ scalar: Unicode.Scalar) -> UInt8? {
        scalar.value < 0x100 ? UInt8(scalar.value) : bytes[scalar]
    }
}
