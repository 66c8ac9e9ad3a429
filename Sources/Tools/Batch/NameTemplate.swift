import Media

/// How the files of a line are called: text with `{line}`, `{index}` and `{seed}`.
///
/// Names are read by bytes: a slash, a dot or a brace is one whatever combining character follows it.
struct NameTemplate {
    private let parts: [Part]

    private enum Part {
        case text(String)
        case line, index, seed
    }

    /// The batch's own files.
    static let reserved = ["index.html", "contact-sheet.png", "summary.json"]

    /// What is wrong with a template, in words.
    struct Fault: Error {
        let reason: String
    }

    private static let slash = UInt8(ascii: "/")
    private static let backslash = UInt8(ascii: "\\")
    private static let dot = UInt8(ascii: ".")
    private static let opening = UInt8(ascii: "{")
    private static let closing = UInt8(ascii: "}")

    /// - Parameter type: its ending is put on where the template has none.
    init(_ text: String, type: FileType) throws(Fault) {
        guard !text.isEmpty, text.utf8.count <= 200 else {
            throw Fault(reason: "a name has 1 to 200 bytes, not \(text.utf8.count)")
        }
        guard !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
            throw Fault(reason: "it contains a control character")
        }
        // On Windows and on shared folders of it they part folders; here they would be in a file's name.
        guard !text.utf8.contains(Self.backslash) else {
            throw Fault(reason: "'\(text)' has a backslash; / parts folders")
        }
        guard text.utf8.first != Self.slash else {
            throw Fault(reason: "'\(text)' must be within the output folder")
        }
        let components = text.utf8.split(separator: Self.slash, omittingEmptySubsequences: false)
        for component in components {
            guard let first = component.first else {
                throw Fault(reason: "'\(text)' has an empty folder or file name")
            }
            guard first != Self.dot else {
                throw Fault(reason: "'\(text)' has a hidden part or leads out of the output folder")
            }
        }
        var name = text
        if let last = components.last, let dot = last.lastIndex(of: Self.dot), !last[dot...].contains(Self.closing) {
            guard type.endings.contains(where: { last[last.index(after: dot)...].elementsEqual($0.utf8) }) else {
                throw Fault(reason: "'\(text)' ends in \(Substring(last[dot...])); this line makes .\(type.rawValue)")
            }
        } else {
            name += "." + type.rawValue
        }
        guard let first = name.utf8.split(separator: Self.slash).first,
            !Self.reserved.contains(String(Substring(first)))
        else { throw Fault(reason: "'\(name)' is a file of the batch's own") }
        parts = try Self.parts(of: name)
    }

    private static func parts(of text: String) throws(Fault) -> [Part] {
        var parts: [Part] = []
        var rest = text[...]
        while let brace = rest.utf8.firstIndex(where: { $0 == opening || $0 == closing }) {
            parts.append(.text(String(rest[..<brace])))
            guard rest.utf8[brace] == opening, let end = rest.utf8[brace...].firstIndex(of: closing) else {
                throw Fault(reason: "'\(text)' has a brace without its other one")
            }
            switch rest[rest.utf8.index(after: brace)..<end] {
            case "line": parts.append(.line)
            case "index": parts.append(.index)
            case "seed": parts.append(.seed)
            case let other: throw Fault(reason: "'{\(other)}' is none of {line}, {index}, {seed}")
            }
            rest = rest[rest.utf8.index(after: end)...]
        }
        return parts + [.text(String(rest))]
    }

    /// Numbers of lines and within a line have at least four digits, so that names sort.
    func name(line: Int, index: Int, seed: UInt64) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .line: Self.padded(line)
            case .index: Self.padded(index)
            case .seed: "\(seed)"
            }
        }.joined()
    }

    private static func padded(_ number: Int) -> String {
        let digits = "\(number)"
        return String(repeating: "0", count: max(4 - digits.count, 0)) + digits
    }
}
