import Foundation

/// The name of a file that nobody named: `PROMPT-SEED.png`, of characters that every system, shell and sync program takes.
enum FileNaming {
    /// Bytes of the prompt that make part of the name.
    private static let longest = 80
    /// The last of `NAME-2`, `NAME-3`, ...
    private static let mostTries = 10_000

    /// Letters and digits of any script, lower case; everything else is a hyphen.
    static func name(prompt: String, seed: UInt64, ending: String) -> String {
        var words = ""
        var isBetween = false
        for scalar in prompt.lowercased().unicodeScalars {
            // Marks belong to the letter before them.
            let isMark = [.nonspacingMark, .spacingMark].contains(scalar.properties.generalCategory) && !words.isEmpty
            guard scalar.properties.isAlphabetic || scalar.properties.numericType != nil || isMark && !isBetween else {
                isBetween = true
                continue
            }
            let piece = (isBetween && !words.isEmpty ? "-" : "") + String(scalar)
            guard words.utf8.count + piece.utf8.count <= longest else { break }
            words += piece
            isBetween = false
        }
        return "\(words.isEmpty ? "picture" : words)-\(seed).\(ending)"
    }

    /// The same in the present folder, with a number where files of that name are there: they were made with other settings,
    /// and nobody said that they may go.
    static func free(prompt: String, seed: UInt64, ending: String) -> String {
        let first = name(prompt: prompt, seed: seed, ending: ending)
        let stem = first.dropLast(ending.utf8.count + 1)
        let others = (2...mostTries).lazy.map { "\(stem)-\($0).\(ending)" }
        func isFree(_ name: String) -> Bool {
            var status = stat()
            return lstat(name, &status) != 0
        }
        return isFree(first) ? first : others.first(where: isFree) ?? first
    }
}
