import Support

/// The parameters that an infotext tells, under the names that the A1111 web UI gives them (its
/// `parse_generation_parameters`): the prompt in all its lines, then the negative one, then a line of at least three
/// `Name: value` pairs.
///
/// What the web UI adds of its own settings where a text says nothing of them (`Clip skip`, `RNG`, ...) is left out: nobody
/// wrote it. The text is read by Unicode scalars: a comma is one whatever combining character follows it.
struct Infotext {
    /// Each name once. All values are texts; one of the form `512x768` stands as `Name-1` and `Name-2`.
    private(set) var members: [JSON.Member] = []
    /// Where a name stands in `members`, by its bytes.
    private var places: [[UInt8]: Int] = [:]

    private typealias Scalars = ArraySlice<Unicode.Scalar>

    private static let fewestPairs = 3
    private static let negativeMark = Array("Negative prompt:".unicodeScalars)

    init(_ text: String) {
        var lines = Self.trimmed(Array(text.unicodeScalars)[...])
            .split(separator: "\n", omittingEmptySubsequences: false)
        var pairs = lines.last.map { Self.pairs(of: $0) } ?? []
        if pairs.count < Self.fewestPairs { pairs = [] } else { lines.removeLast() }
        let (prompt, negative) = Self.prompts(lines)
        add("Prompt", prompt)
        add("Negative prompt", negative)
        for pair in pairs where !pair.value.isEmpty { add(Self.text(pair.name), pair.value) }
    }

    private mutating func add(_ name: String, _ value: Scalars) {
        let value = Self.unquoted(value)
        guard let cross = value.firstIndex(of: "x"), Self.areDigits(value[..<cross]),
            Self.areDigits(value[(cross + 1)...])
        else { return put(name, Self.text(value)) }
        put("\(name)-1", Self.text(value[..<cross]))
        put("\(name)-2", Self.text(value[(cross + 1)...]))
    }

    /// The last of several values of a name is the one.
    private mutating func put(_ name: String, _ value: String) {
        let member = JSON.Member(name: name, value: .string(value))
        if let place = places[Array(name.utf8)] {
            members[place] = member
        } else {
            places[Array(name.utf8)] = members.count
            members.append(member)
        }
    }

    // MARK: Prompts

    private static func prompts(_ lines: [Scalars]) -> (Scalars, Scalars) {
        var texts: [Scalars] = [[], []]
        var index = 0
        for line in lines {
            var line = trimmed(line)
            if line.starts(with: negativeMark) {
                index = 1
                line = trimmed(line.dropFirst(negativeMark.count))
            }
            if !texts[index].isEmpty { texts[index].append("\n") }
            texts[index] += line
        }
        return (texts[0], texts[1])
    }

    // MARK: Pairs

    /// A name has at least two characters, the first a letter, a digit or `_`, the others also blanks, `-` or `/`; a value
    /// ends at a comma, unless it is in quotes.
    private static func pairs(of line: Scalars) -> [(name: Scalars, value: Scalars)] {
        var pairs: [(name: Scalars, value: Scalars)] = []
        var rest = line
        while let start = rest.firstIndex(where: isWord) {
            let end = rest[start...].firstIndex { !isWord($0) && ![" ", "-", "/"].contains($0) } ?? rest.endIndex
            guard end < rest.endIndex, rest[end] == ":", end - start > 1 else {
                rest = rest[min(end + 1, rest.endIndex)...]
                continue
            }
            let name = rest[start..<end]
            rest = rest[(end + 1)...].drop(while: isBlank)
            let valueEnd = quotedEnd(of: rest) ?? rest.firstIndex(of: ",") ?? rest.endIndex
            pairs.append((name, rest[..<valueEnd]))
            rest = rest[min(valueEnd + 1, rest.endIndex)...]
        }
        return pairs
    }

    /// Where a value in quotes ends, behind its closing quote; nil for one that is empty, or that no comma follows.
    private static func quotedEnd(of text: Scalars) -> Int? {
        guard text.first == "\"" else { return nil }
        var index = text.startIndex + 1
        while index < text.endIndex, text[index] != "\"" { index += text[index] == "\\" ? 2 : 1 }
        guard index < text.endIndex, index - text.startIndex > 1 else { return nil }
        return index + 1 == text.endIndex || text[index + 1] == "," ? index + 1 : nil
    }

    /// What a JSON string holds; what is none, as it stands.
    private static func unquoted(_ value: Scalars) -> Scalars {
        guard value.first == "\"", value.last == "\"",
            case .string(let text)? = try? JSON(parsing: Array(Self.text(value).utf8))
        else { return value }
        return Array(text.unicodeScalars)[...]
    }

    // MARK: Characters, as Python's `re` and `str` class them

    private static func text(_ scalars: Scalars) -> String { String(String.UnicodeScalarView(scalars)) }

    private static func trimmed(_ scalars: Scalars) -> Scalars {
        let start = scalars.drop(while: isBlank)
        guard let last = start.lastIndex(where: { !isBlank($0) }) else { return [] }
        return start[...last]
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber:
            true
        default: scalar == "_"
        }
    }

    private static func areDigits(_ scalars: Scalars) -> Bool {
        !scalars.isEmpty && scalars.allSatisfy { $0.properties.generalCategory == .decimalNumber }
    }
}
