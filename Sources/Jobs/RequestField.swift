import Support

/// A field of a request: what it is called, what it may hold, what it means and who takes it. `RequestFields` lists all
/// of them; HTTP routes, manifests and the OpenAPI document read names and limits from there.
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
        /// So many pictures at most.
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

    init(
        _ name: String, _ content: Content, _ takers: [Taker], as names: [Taker: String] = [:],
        also synonyms: [Taker: [String]] = [:], initial: JSON? = nil, _ documentation: String
    ) {
        self.name = name
        self.content = content
        self.documentation = documentation
        self.names = Dictionary(takers.map { ($0, names[$0] ?? name) }, uniquingKeysWith: { first, _ in first })
        self.synonyms = synonyms
        self.initial = initial
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
