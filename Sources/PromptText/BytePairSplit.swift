/// Cuts text into the pieces that are encoded one by one, as Qwen2's pattern does: words with at most one character
/// before them, single digits, runs of punctuation with the line ends after them, white space.
///
/// The pattern is the only one of its kind here, so it is matched by hand; each character falls under some branch.
enum BytePairSplit {
    static let pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
        + #"\s*[\r\n]+|\s+(?!\S)|\s+"#

    enum Kind {
        case letter, number, space, other

        init(_ scalar: Unicode.Scalar) {
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
            case .decimalNumber, .letterNumber, .otherNumber: self = .number
            default: self = scalar.properties.isWhitespace ? .space : .other
            }
        }
    }

    /// `'s`, `'t`, `'re`, ... in either case; the long s folds to s.
    private static let contractions: [[Set<Unicode.Scalar>]] = [
        [["s", "S", "\u{17F}"]], [["t", "T"]], [["r", "R"], ["e", "E"]], [["v", "V"], ["e", "E"]], [["m", "M"]],
        [["l", "L"], ["l", "L"]], [["d", "D"]],
    ]

    static func split(_ text: String) -> [Substring.UnicodeScalarView] {
        let scalars = Array(text.unicodeScalars)
        let kinds = scalars.map(Kind.init)
        let view = text.unicodeScalars
        var pieces: [Substring.UnicodeScalarView] = []
        var start = 0
        var index = view.startIndex
        while start < scalars.count {
            let end = end(of: start, scalars, kinds)
            let next = view.index(index, offsetBy: end - start)
            pieces.append(view[index..<next])
            (start, index) = (end, next)
        }
        return pieces
    }

    /// Where the piece that begins at `start` ends. The branches are tried in the order of the pattern.
    private static func end(of start: Int, _ scalars: [Unicode.Scalar], _ kinds: [Kind]) -> Int {
        func run(from index: Int, while isIn: (Int) -> Bool) -> Int {
            var end = index
            while end < scalars.count, isIn(end) { end += 1 }
            return end
        }
        func isLineEnd(_ index: Int) -> Bool { scalars[index] == "\r" || scalars[index] == "\n" }
        func kind(_ index: Int) -> Kind? { index < kinds.count ? kinds[index] : nil }

        if scalars[start] == "'" {
            for letters in contractions {
                let rest = scalars[(start + 1)...].prefix(letters.count)
                if rest.count == letters.count, zip(letters, rest).allSatisfy({ $0.contains($1) }) {
                    return start + 1 + letters.count
                }
            }
        }
        switch kinds[start] {
        case .letter: return run(from: start) { kinds[$0] == .letter }
        case .number: return start + 1
        case .space, .other: break
        }
        if !isLineEnd(start), kind(start + 1) == .letter { return run(from: start + 1) { kinds[$0] == .letter } }
        let symbols = scalars[start] == " " ? start + 1 : start
        if kind(symbols) == .other { return run(from: run(from: symbols) { kinds[$0] == .other }, while: isLineEnd) }
        // Only white space is left.
        let end = run(from: start) { kinds[$0] == .space }
        if let last = (start..<end).last(where: isLineEnd) { return last + 1 }
        // The last space before a word goes with the word.
        return end == scalars.count || end == start + 1 ? end : end - 1
    }
}
