/// Repairs text that was UTF-8 but was read as Windows-1252 or Latin-1: `cafÃ©` -> `café`, `donâ€™t` -> `don’t`.
///
/// A sequence of characters whose bytes are one UTF-8 character is read again if it is *convincing*: a letter
/// followed by a sign that does not follow a letter in any orthography. If the whole line reads as UTF-8 and one
/// sequence is convincing, or two are of three bytes or more, all of them are read again. Where a reading as plain
/// text is possible (`„Spaß“`, `CAFÉ”`, `BLÍŽÍŠ`, `5 Å²`) the text stays.
enum MojibakeRepair {
    /// Characters that together are the bytes of one character in UTF-8.
    private struct Sequence {
        let range: Range<Int>
        let scalar: Unicode.Scalar
        /// The bytes, as the characters they were read as.
        let characters: ArraySlice<Unicode.Scalar>

        var lead: Unicode.Scalar { characters[characters.startIndex] }
        var second: Unicode.Scalar { characters[characters.startIndex + 1] }
        /// The third character of a sequence of at least three.
        var third: Unicode.Scalar { characters[characters.startIndex + 2] }
    }

    static func repair(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var text = text
        // Text can have been mistaken more than once; each layer shortens it.
        for _ in 0..<8 {
            guard let repaired = repairOneLayer(text) else { break }
            text = repaired
        }
        return text
    }

    private static func repairOneLayer(_ text: [Unicode.Scalar]) -> [Unicode.Scalar]? {
        let sequences = sequences(in: text)
        var convincing = sequences.map { isConvincing($0, in: text) }
        // Two in a row hardly happen by chance, unless all of it is letters.
        for index in sequences.indices.dropFirst() {
            let (first, second) = (sequences[index - 1], sequences[index])
            guard first.range.upperBound == second.range.lowerBound else { continue }
            if convincing[index - 1] || !(areLetters(first) && areLetters(second)) { convincing[index] = true }
            if convincing[index] { convincing[index - 1] = true }
        }
        let covered = sequences.reduce(0) { $0 + $1.range.count }
        let isWhole = covered == text.count { !$0.isASCII }
        let isSure = convincing.contains(true) || sequences.count { $0.range.count > 2 } > 1
        if isWhole, isSure { convincing = sequences.map { _ in true } }
        guard convincing.contains(true) else { return nil }

        var result: [Unicode.Scalar] = []
        var position = 0
        for (sequence, convincing) in zip(sequences, convincing) where convincing {
            result += text[position..<sequence.range.lowerBound]
            result.append(sequence.scalar)
            position = sequence.range.upperBound
        }
        return result + text[position...]
    }

    private static func sequences(in text: [Unicode.Scalar]) -> [Sequence] {
        var sequences: [Sequence] = []
        var position = 0
        while position < text.count {
            if let sequence = sequence(in: text, at: position) {
                sequences.append(sequence)
                position = sequence.range.upperBound
            } else {
                position += 1
            }
        }
        return sequences
    }

    private static func sequence(in text: [Unicode.Scalar], at start: Int) -> Sequence? {
        guard !text[start].isASCII, let lead = Windows1252.byte(text[start]) else { return nil }
        let length: Int
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF: length = 3
        case 0xF0...0xF4: length = 4
        default: return nil
        }
        guard start + length <= text.count else { return nil }
        let range = start..<start + length
        let bytes = text[range].compactMap(Windows1252.byte)
        guard bytes.count == length, let decoded = String(validating: bytes, as: UTF8.self),
            let scalar = decoded.unicodeScalars.first
        else { return nil }
        switch scalar.properties.generalCategory {
        case .unassigned, .privateUse, .surrogate: return nil
        default: return Sequence(range: range, scalar: scalar, characters: text[range])
        }
    }

    private static func isConvincing(_ sequence: Sequence, in text: [Unicode.Scalar]) -> Bool {
        let second = sequence.second
        let before = sequence.range.lowerBound > 0 ? text[sequence.range.lowerBound - 1] : " "
        let after = sequence.range.upperBound < text.count ? text[sequence.range.upperBound] : " "
        switch (sequence.lead, sequence.range.count) {
        case ("Â", _), ("Ã", _):
            // `Ã©`, `Â°`. But a word in capitals may end in either, and quotes and dashes follow words.
            return !(before.properties.isUppercase && !after.properties.isAlphabetic && closesWord(second))
        case ("×", _), ("Ø", _), ("ß", _):
            // Signs that stand before others, and a letter that often ends a word.
            return isC1Control(second)
        case ("Å", _) where (second == "²" || second == "³") && !before.properties.isAlphabetic:
            return false  // ångströms
        case (let lead, 2):
            // A capital inside a word in small letters, or a sign between a capital and small letters: `HasÅ‚o`, `Ä°t`.
            let isInsideWord =
                lead.properties.isUppercase && before.properties.isLowercase
                || after.properties.isLowercase && !before.properties.isAlphabetic
                    && !second.properties.isAlphabetic && !closesWord(second)
            return isOddAfterLetter(second) || isInsideWord
        case ("â", 3):
            // Punctuation, arrows, symbols: `â€™`, `â†’`, `â„¢`, `âœ”`, `â–¸`.
            return isOddAfterLetter(second) || !closesWord(second) || second == "†" || second == "‡" || second == "„"
                || isOddAfterLetter(sequence.third)
        case (_, 3):
            // The exception is the byte order mark `ï»¿`.
            return isOddAfterLetter(second) || second == "‚" || second == "„" || sequence.scalar == "\u{FEFF}"
        default:
            return true
        }
    }

    private static func areLetters(_ sequence: Sequence) -> Bool {
        sequence.characters.allSatisfy(\.properties.isAlphabetic)
    }

    private static func isC1Control(_ scalar: Unicode.Scalar) -> Bool { (0x80...0x9F).contains(scalar.value) }

    /// Signs that no orthography puts directly after a letter.
    private static func isOddAfterLetter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "€", "ƒ", "ˆ", "‰", "˜", "¡", "¢", "£", "¤", "¥", "¦", "§", "¨", "ª", "¬", "¯", "±", "´", "µ", "¶", "¸",
            "º", "¼", "½", "¾", "¿":
            true
        default: isC1Control(scalar)
        }
    }

    /// Signs that may well follow a word's last letter.
    private static func closesWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "‘", "’", "“", "”", "‚", "„", "‹", "›", "«", "»", "–", "—", "…", "™", "®", "©", "•", "·", "†", "‡",
            "\u{A0}":
            true
        default: false
        }
    }
}
