/// What the Wan pipelines do to a prompt before the tokenizer sees it (`prompt_clean` in diffusers): repair the
/// text as `ftfy.fix_text` does, undo HTML escapes twice, and make every run of white space one space.
///
/// Of ftfy 6.3 this covers HTML entities, curly quotes, Latin ligatures, full- and half-width forms, line endings,
/// control characters, terminal escapes, C1 controls, NFC, and text that was UTF-8 but was read as Windows-1252 or
/// Latin-1 (see `MojibakeRepair`).
///
/// Not covered: mix-ups with other code pages (Windows-1250, -1251, -1253, -1254, -1257, ISO 8859-2, Mac OS Roman,
/// CP437), sequences in which a no-break space has since become a space or a byte has become U+FFFD, CESU-8, and
/// ftfy's statistics of unlikely characters, in whose place stand a few stricter rules. Such text stays as it is.
package enum PromptCleaning {
    package static func clean(_ text: String) -> String {
        let repaired = TextRepair.repair(Array(text.unicodeScalars))
        let unescaped = HTMLEntities.unescape(HTMLEntities.unescape(repaired))
        let words = unescaped.split { $0.isPythonWhitespace }
        return String(String.UnicodeScalarView(words.joined(separator: [" "])))
    }
}

extension Unicode.Scalar {
    /// `\s` of Python's regular expressions, which holds four separator controls for white space too.
    var isPythonWhitespace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }
}
