import HTTP
import Support

/// What an answer tells a client besides: a field that was left out of account, or changed.
struct RequestWarning: Sendable, Equatable {
    let field: String
    let message: String

    init(_ field: String, _ message: String) {
        self.field = field
        self.message = message
    }

    static func ignored(_ field: String) -> RequestWarning { RequestWarning(field, "ignored") }

    /// The warning without any character that a header field cannot carry.
    var text: String {
        let plain = "\(field.prefix(40)): \(message)".unicodeScalars.map { (0x20..<0x7F).contains($0.value) ? $0 : "?" }
        return String(String.UnicodeScalarView(plain))
    }

    /// Fields of OpenAI's that change no picture.
    static let harmless: Set = [
        "user", "metadata", "moderation", "safety_identifier", "store", "service_tier", "extra_headers", "timeout",
    ]

    /// A warning for each field or file given that nobody read.
    /// - Parameter known: names that are read, and harmless ones.
    static func ignored(of fields: Fields, known: some Sequence<String>) -> [RequestWarning] {
        let known = harmless.union(known)
        let files = fields.files.keys.sorted()
        return (fields.names.filter { fields[$0] != nil } + files).filter { !known.contains($0) }.map { .ignored($0) }
    }
}

extension [RequestWarning] {
    /// The object with `warnings`, if there are any.
    func added(to body: JSON) -> JSON {
        guard !isEmpty, case .object(let members) = body else { return body }
        return .object(members + [JSON.Member(name: "warnings", value: .array(map { .string($0.text) }))])
    }

    /// The answer with a field `X-Phasor-Warning` for each.
    func added(to response: HTTPResponse) -> HTTPResponse {
        var response = response
        for warning in prefix(16) { response.headers.add("X-Phasor-Warning", warning.text) }
        return response
    }
}
