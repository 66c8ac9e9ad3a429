/// What can go wrong while a tokenizer or text encoder is opened. Encoding itself does not fail.
package enum TextError: Error, CustomStringConvertible, Equatable {
    /// A file could not be read, or is not JSON.
    case unreadable(file: String, reason: String)
    /// A value in a JSON file is missing, of the wrong type, or one this implementation does not know.
    case invalid(file: String, field: String, reason: String)
    /// A request that the text encoder cannot serve.
    case unusableTokens(reason: String)

    package var description: String {
        switch self {
        case .unreadable(let file, let reason): "cannot read \(file): \(reason)"
        case .invalid(let file, let field, let reason): "\(file): \(field): \(reason)"
        case .unusableTokens(let reason): "cannot encode these tokens: \(reason)"
        }
    }
}
