import Support

/// A field of a request: what it is called, what it may hold, what it means and who takes it. `RequestFields` lists all
/// of them; HTTP routes, manifests, the OpenAPI document and the options of commands read names, limits and help from there.
package struct RequestField: Sendable, Equatable {
    /// A reader of requests.
    package enum Taker: String, Sendable, CaseIterable {
        /// OpenAI's images, and jobs of kind `image`.
        case image
        /// OpenAI's videos, and jobs of kind `video`.
        case video
        /// A line of a manifest of `phasor render`.
        case manifest
        /// The A1111 web UI's txt2img.
        case webUI
        /// `phasor generate`, as options.
        case generate
        /// `phasor render`, as options: what holds for lines of the manifest that say nothing.
        case render

        /// Options are written with dashes.
        fileprivate var isCommand: Bool { self == .generate || self == .render }
    }

    package enum Content: Sendable, Equatable {
        /// A text of at most so many Unicode scalars, and no NUL.
        case text(longest: Int)
        /// A name that is looked up.
        case name
        case choice([String])
        case integer(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        /// `WIDTHxHEIGHT` in pixels, or `auto` for the model's own.
        case size
        /// Seconds as a number or as text.
        case seconds
        /// One seed, or a range of them: `0-9`.
        case seeds
        case loras
        /// A picture: base64 or a data URL; in a form a file; in a manifest the path of one.
        case picture
        /// So many pictures at most: a list; in a table of a manifest paths with `|` between them.
        case pictures(most: Int)
    }

    /// The field's name in Phasor's own HTTP API, and in `parameters` of a job.
    package let name: String
    package let content: Content
    package let documentation: String
    /// Takers, with what the field is called there.
    private let names: [Taker: String]
    /// What a taker also understands.
    private let synonyms: [Taker: [String]]
    /// What it is where it is left out; nil where the model or the request decides.
    package let initial: JSON?
    /// What a command's help says in place of the documentation, which speaks of HTTP.
    private let commandHelp: String?

    init(
        _ name: String, _ content: Content, _ takers: [Taker], as names: [Taker: String] = [:],
        also synonyms: [Taker: [String]] = [:], initial: JSON? = nil, _ documentation: String, help: String? = nil
    ) {
        self.name = name
        self.content = content
        self.documentation = documentation
        self.names = Dictionary(
            takers.map { ($0, names[$0] ?? ($0.isCommand ? name.replacing("_", with: "-") : name)) },
            uniquingKeysWith: { first, _ in first })
        self.synonyms = synonyms
        self.initial = initial
        commandHelp = help
    }

    /// What the help of a command says: a sentence.
    package func help(for taker: Taker) -> String {
        let help = commandHelp ?? documentation
        guard taker == .render else { return help + "." }
        // A small letter after the colon, unless the word is a name such as AV1.
        let first = help.prefix(while: { $0.isLetter || $0.isNumber })
        let isName = first.dropFirst().contains { $0.isUppercase || $0.isNumber }
        return
            "For lines that say nothing: \(isName ? String(help.prefix(1)) : help.prefix(1).lowercased())\(help.dropFirst())."
    }

    /// The name that a reader uses; nil for a reader that does not take the field.
    package func name(for taker: Taker) -> String? { names[taker] }

    /// All names by which a taker understands it, its own first; empty for who does not take it.
    package func allNames(for taker: Taker) -> [String] {
        names[taker].map { [$0] + (synonyms[taker] ?? []) } ?? []
    }

    package var integers: ClosedRange<Int>? {
        if case .integer(let range) = content { range } else { nil }
    }

    package var numbers: ClosedRange<Double>? {
        if case .number(let range) = content { range } else { nil }
    }
}
