import Support

/// A parameter of a statement. All but bytes travel as text, which the server reads as the type that the statement wants.
package enum PostgresValue: Sendable, Equatable {
    case null
    case text(String)
    case bytes([UInt8])

    package static func text(_ value: String?) -> PostgresValue { value.map { .text($0) } ?? .null }
    package static func integer(_ value: some BinaryInteger) -> PostgresValue { .text(String(value)) }
    /// Every bit of the number arrives.
    package static func number(_ value: Double?) -> PostgresValue { value.map { .text("\($0)") } ?? .null }
    package static func boolean(_ value: Bool) -> PostgresValue { .text(value ? "t" : "f") }

    /// A `text[]`, in which an element may be NULL.
    package static func texts(_ values: [String?]) -> PostgresValue {
        let elements = values.map { value in
            guard let value else { return "NULL" }
            var escaped = ""
            for scalar in value.unicodeScalars {
                if scalar == "\"" || scalar == "\\" { escaped.unicodeScalars.append("\\") }
                escaped.unicodeScalars.append(scalar)
            }
            return "\"\(escaped)\""
        }
        return .text("{\(elements.joined(separator: ","))}")
    }

    /// A `bigint[]`.
    package static func integers(_ values: [some BinaryInteger]) -> PostgresValue {
        .text("{\(values.map { String($0) }.joined(separator: ","))}")
    }

    /// Whether the server can take it: its texts have no character 0.
    var isStorable: Bool {
        guard case .text(let text) = self else { return true }
        return !text.utf8.contains(0)
    }
}

/// A row of an answer. A column that is missing, NULL or reads otherwise is nil.
package struct PostgresRow: Sendable {
    let columns: [String: Int]
    let values: [String?]

    package func text(_ column: String) -> String? { columns[column].flatMap { values[$0] } }
    package func integer(_ column: String) -> Int? { text(column).flatMap { Int($0) } }
    package func number(_ column: String) -> Double? { text(column).flatMap { Double($0) } }

    package func boolean(_ column: String) -> Bool? {
        switch text(column) {
        case "t": true
        case "f": false
        default: nil
        }
    }

    /// A `bytea`.
    package func bytes(_ column: String) -> [UInt8]? {
        guard let text = text(column), text.hasPrefix("\\x") else { return nil }
        return Hexadecimal.bytes(text.dropFirst(2))
    }
}

/// What a statement answers.
package struct PostgresRows: Sendable, RandomAccessCollection {
    let columns: [String: Int]
    let values: [[String?]]
    /// Rows that the statement has inserted, changed, removed or selected.
    package let changes: Int

    package var startIndex: Int { 0 }
    package var endIndex: Int { values.count }
    package subscript(index: Int) -> PostgresRow { PostgresRow(columns: columns, values: values[index]) }
}
