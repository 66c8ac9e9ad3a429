import Jobs
import Support

/// The fields of an HTTP request as a taker of the table knows them.
struct TakenFields: RequestFieldReader {
    let fields: Fields
    let taker: RequestField.Taker

    func text(_ field: RequestField) throws -> String? { try isTaken(field) ? fields.text(field, taker) : nil }

    func name(_ field: RequestField) throws -> String? { try isTaken(field) ? fields.string(field, taker) : nil }

    func integer(_ field: RequestField) throws -> Int? { try isTaken(field) ? fields.integer(field, taker) : nil }

    func number(_ field: RequestField) throws -> Double? { try isTaken(field) ? fields.number(field, taker) : nil }

    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ field: RequestField, _: Choice.Type
    ) throws -> Choice? {
        try isTaken(field) ? fields.choice(field, taker, Choice.self) : nil
    }

    private func isTaken(_ field: RequestField) -> Bool { field.name(for: taker) != nil }
}

/// Fields of the table, read under the names that a taker knows them by and within their limits.
extension Fields {
    /// The value of a field and the name it came under; nil where none of its names is given.
    /// - Throws: `APIError` for two names with two values.
    func given(_ field: RequestField, _ taker: RequestField.Taker) throws -> (name: String, value: JSON)? {
        var found: (name: String, value: JSON)?
        for name in field.allNames(for: taker) {
            guard let value = self[name] else { continue }
            if let found, found.value != value {
                throw APIError.invalid(name, "\(name) and \(found.name) say two things; give one of them")
            }
            found = found ?? (name, value)
        }
        return found
    }

    private func name(_ field: RequestField, _ taker: RequestField.Taker) throws -> String {
        try given(field, taker)?.name ?? field.name(for: taker) ?? field.name
    }

    func integer(_ field: RequestField, _ taker: RequestField.Taker) throws -> Int? {
        try integer(name(field, taker), in: field.integers ?? 0...Int.max)
    }

    /// The seed; nil where one is to be drawn.
    func seed(_ taker: RequestField.Taker) throws -> UInt64? {
        let range = RequestFields.drawnSeed...RequestFields.seeds.upperBound
        let seed = try integer(name(RequestFields.seed, taker), in: range)
        return seed.flatMap { $0 == RequestFields.drawnSeed ? nil : UInt64($0) }
    }

    func number(_ field: RequestField, _ taker: RequestField.Taker) throws -> Double? {
        try number(name(field, taker), in: field.numbers ?? -.greatestFiniteMagnitude ... .greatestFiniteMagnitude)
    }

    func string(_ field: RequestField, _ taker: RequestField.Taker) throws -> String? {
        try string(name(field, taker))
    }

    func choice<Choice: RawRepresentable<String>>(
        _ field: RequestField, _ taker: RequestField.Taker, _: Choice.Type
    ) throws -> Choice? {
        guard case .choice(let known) = field.content else { return nil }
        return try choice(name(field, taker), of: known).flatMap(Choice.init(rawValue:))
    }

    /// A prompt: of bounded length, and without NUL, which neither PNG's nor MP4's text can carry.
    func text(_ field: RequestField, _ taker: RequestField.Taker) throws -> String? {
        let name = try name(field, taker)
        guard let text = try string(name) else { return nil }
        let count = text.unicodeScalars.count
        if case .text(let longest) = field.content, count > longest {
            throw APIError.invalid(name, "\(name) has \(count) characters; at most \(longest) are allowed")
        }
        guard !text.unicodeScalars.contains("\0") else {
            throw APIError.invalid(name, "\(name) contains a NUL character")
        }
        return text
    }
}
