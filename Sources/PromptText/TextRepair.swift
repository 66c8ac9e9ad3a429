/// The repairs of `ftfy.fix_text` (ftfy 6.3, default settings), as far as `PromptCleaning` says.
enum TextRepair {
    /// Repairs line by line, each until nothing changes any more. HTML entities are undone up to the first line
    /// with a `<` in it: after that the text may be HTML that is meant as such.
    static func repair(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var unescapes = true
        var start = 0
        while start < text.count {
            let end = text[start...].firstIndex(of: "\n").map { $0 + 1 } ?? text.count
            var line = Array(text[start..<end])
            if line.contains("<") { unescapes = false }
            // Every pass undoes one layer. Text with more layers than this is an attempt to keep us busy.
            for _ in 0..<32 {
                let repaired = pass(line, unescapes: unescapes)
                if repaired == line { break }
                line = repaired
            }
            result += line
            start = end
        }
        return result
    }

    private static func pass(_ line: [Unicode.Scalar], unescapes: Bool) -> [Unicode.Scalar] {
        var line = unescapes ? HTMLEntities.unescapeCertain(line) : line
        line = MojibakeRepair.repair(line)
        line = line.flatMap(plainForm)
        line = joinLineEndings(line)
        line = removeTerminalEscapes(line)
        line.removeAll(where: isUnwantedControl)
        // Nothing below U+0300 combines or decomposes.
        guard line.contains(where: { $0.value >= 0x300 }) else { return line }
        return Array(String(String.UnicodeScalarView(line)).nfc.unicodeScalars)
    }

    /// C1 controls as Windows-1252, ligatures as letters, wide and narrow forms as usual ones, quotes straight.
    private static func plainForm(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        switch scalar.value {
        case 0x80...0x9F:
            return [straightQuote(Windows1252.scalar(UInt8(scalar.value)))]
        case 0x132, 0x133, 0x149, 0x1C4...0x1CC, 0x1F1...0x1F3, 0xFB00...0xFB06:
            return ligatures[scalar] ?? [scalar]
        case 0x3000, 0xFF01...0xFFEF:
            return Array(String(Character(scalar)).nfkc.unicodeScalars)
        default:
            return [straightQuote(scalar)]
        }
    }

    private static let ligatures: [Unicode.Scalar: [Unicode.Scalar]] = [
        "Ĳ": ["I", "J"], "ĳ": ["i", "j"], "ŉ": ["ʼ", "n"],
        "Ǆ": ["D", "Ž"], "ǅ": ["D", "ž"], "ǆ": ["d", "ž"],
        "Ǉ": ["L", "J"], "ǈ": ["L", "j"], "ǉ": ["l", "j"],
        "Ǌ": ["N", "J"], "ǋ": ["N", "j"], "ǌ": ["n", "j"],
        "Ǳ": ["D", "Z"], "ǲ": ["D", "z"], "ǳ": ["d", "z"],
        "ﬀ": ["f", "f"], "ﬁ": ["f", "i"], "ﬂ": ["f", "l"], "ﬃ": ["f", "f", "i"], "ﬄ": ["f", "f", "l"],
        "ﬅ": ["ſ", "t"], "ﬆ": ["s", "t"],
    ]

    private static func straightQuote(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.value {
        case 0x02BC, 0x2018...0x201B: "'"
        case 0x201C...0x201F: "\""
        default: scalar
        }
    }

    private static func joinLineEndings(_ line: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(line.count)
        var afterReturn = false
        for scalar in line {
            switch scalar {
            case "\n" where afterReturn: break
            case "\r", "\u{2028}", "\u{2029}": result.append("\n")
            default: result.append(scalar)
            }
            afterReturn = scalar == "\r"
        }
        return result
    }

    /// Removes `ESC [ 1 ; 31 m` and the like.
    private static func removeTerminalEscapes(_ line: [Unicode.Scalar]) -> [Unicode.Scalar] {
        let escape: Unicode.Scalar = "\u{1B}"
        guard line.contains(escape) else { return line }
        var result: [Unicode.Scalar] = []
        var position = 0
        while position < line.count {
            if line[position] == escape, position + 1 < line.count, line[position + 1] == "[" {
                let final = line[(position + 2)...].firstIndex {
                    $0 != ";" && $0.properties.generalCategory != .decimalNumber
                }
                if let final, line[final].isASCII, line[final].properties.isAlphabetic {
                    position = final + 1
                    continue
                }
            }
            result.append(line[position])
            position += 1
        }
        return result
    }

    /// Controls without a use in text: ASCII ones but white space, deprecated Arabic ones, annotation marks,
    /// object replacement, byte order mark.
    private static func isUnwantedControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFC: true
        default: false
        }
    }
}
