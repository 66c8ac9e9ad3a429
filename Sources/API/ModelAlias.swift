/// Another name for a model: `--alias NAME=MODEL`.
package struct ModelAlias: Sendable, Equatable, CustomStringConvertible {
    package let name: String
    /// The id of a model.
    package let model: String

    /// Returns nil for a text that is not `NAME=MODEL` with both of them something.
    package init?(_ text: String) {
        guard let sign = text.firstIndex(of: "=") else { return nil }
        name = String(text[..<sign])
        model = String(text[text.index(after: sign)...])
        guard !name.isEmpty, !model.isEmpty else { return nil }
    }

    package var description: String { "\(name)=\(model)" }
}
