import ArgumentParser
import Jobs
import Support

/// Options that stand for fields of a request: name, help and limits are those of `RequestFields`, so that a command and HTTP
/// say and take the same. What a model cannot do is told when it is open.
extension Option where Value == Int? {
    /// - Parameter taker: the command.
    init(_ field: RequestField, of taker: RequestField.Taker = .generate) {
        self.init(name: field.option(of: taker), parsing: .unconditional, help: field.argumentHelp(of: taker)) { text in
            try field.integer(text)
        }
    }
}

extension Option where Value == Float? {
    init(_ field: RequestField, of taker: RequestField.Taker = .generate) {
        self.init(name: field.option(of: taker), parsing: .unconditional, help: field.argumentHelp(of: taker)) { text in
            guard let value = Float(text) else { throw ValidationError("it is no number") }
            guard field.numbers?.contains(Double(value)) ?? true else { throw field.isBeyondItsLimits }
            return value
        }
    }
}

extension Option where Value == String? {
    /// A text, a name, or the path of a picture.
    init(_ field: RequestField, of taker: RequestField.Taker = .generate) {
        let isPicture = field.content == .picture
        self.init(
            name: field.option(of: taker), help: field.argumentHelp(of: taker), completion: isPicture ? .file() : nil
        ) { text in
            if case .text(let longest) = field.content, text.unicodeScalars.count > longest {
                throw ValidationError("it has \(text.unicodeScalars.count) characters; at most \(longest) are allowed")
            }
            return isPicture ? HomeFolder.expand(text) : text
        }
    }
}

extension Option where Value == [String] {
    /// Paths of pictures, the option once for each.
    init(wrappedValue: [String], _ field: RequestField, of taker: RequestField.Taker = .generate) {
        self.init(
            wrappedValue: wrappedValue, name: field.option(of: taker), help: field.argumentHelp(of: taker),
            completion: .file(), transform: HomeFolder.expand)
    }
}

extension Option {
    /// One of several words.
    init<Choice: ExpressibleByArgument & RawRepresentable<String>>(
        _ field: RequestField, of taker: RequestField.Taker = .generate
    ) where Value == Choice? {
        self.init(name: field.option(of: taker), help: field.argumentHelp(of: taker))
    }

    /// A seed, which is drawn here where the text asks for that.
    init(wrappedValue: Value, _ field: RequestField, of taker: RequestField.Taker = .generate)
    where Value == UInt64 {
        self.init(
            wrappedValue: wrappedValue, name: field.option(of: taker), parsing: .unconditional,
            help: field.argumentHelp(of: taker)
        ) { text in
            text == "\(RequestFields.drawnSeed)" ? GenerationRequest.drawSeed() : UInt64(try field.integer(text))
        }
    }
}

extension RequestField {
    /// The flag of a command that takes the field.
    func flag(of taker: Taker) -> String { "--\(name(for: taker) ?? name)" }

    fileprivate func integer(_ text: String) throws(ValidationError) -> Int {
        guard let value = Int(text) else { throw ValidationError("it is no whole number") }
        guard integers?.contains(value) ?? true else { throw isBeyondItsLimits }
        return value
    }

    fileprivate func option(of taker: Taker) -> NameSpecification { .customLong(name(for: taker) ?? name) }

    fileprivate func argumentHelp(of taker: Taker) -> ArgumentHelp {
        switch content {
        case .picture, .pictures: ArgumentHelp(help(for: taker), valueName: "file")
        case .size: ArgumentHelp(help(for: taker), valueName: "WxH")
        default: ArgumentHelp(help(for: taker))
        }
    }

    fileprivate var isBeyondItsLimits: ValidationError {
        let limits =
            integers.map { "\($0.lowerBound)...\($0.upperBound)" }
            ?? numbers.map { "\(JSON($0.lowerBound).text)...\(JSON($0.upperBound).text)" } ?? "less"
        return ValidationError("it must be \(limits)")
    }
}
