import Support

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

/// The scanner of a checkpoint's files.
typealias TextScanner = JSONScanner<TextError>

extension TextError: JSONSyntaxError {
    package init(_ fault: JSONFault, in file: String) {
        self = .unreadable(file: file, reason: "it is not JSON: \(fault.reason), at byte \(fault.offset)")
    }
}
