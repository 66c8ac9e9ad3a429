/// What is wrong with a line of a manifest.
package struct ManifestFault: Sendable, Equatable, CustomStringConvertible {
    /// The line, from 1; 0 for the file as a whole.
    package let line: Int
    /// The field as the manifest writes it; nil for the whole line.
    package let field: String?
    package let reason: String

    package init(line: Int, field: String?, reason: String) {
        self.line = line
        self.field = field
        self.reason = reason
    }

    package var description: String {
        let place = line > 0 ? "line \(line): " : ""
        return place + (field.map { "\($0): " } ?? "") + reason
    }
}

/// Everything that is wrong with a manifest; nothing of it was computed.
package struct ManifestError: Error, Equatable, CustomStringConvertible {
    package let faults: [ManifestFault]

    package var description: String { faults.map(\.description).joined(separator: "\n") }
}
