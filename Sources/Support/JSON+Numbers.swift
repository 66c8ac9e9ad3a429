extension JSON {
    /// The digits of a number; also of one that stands in a string, where the source has nothing but text (a form, CSV).
    package func digits(inText: Bool) -> String? {
        switch self {
        case .number(let digits): digits
        // Double("0x1p3"), Double("nan") and Double(" 1") are not meant.
        case .string(let text) where inText && text.utf8.allSatisfy({ "0123456789.-+eE".utf8.contains($0) }): text
        default: nil
        }
    }

    /// JSON has one kind of number: 4.0 and 4e0 are 4. Above 2^53 only plain digits say which number is meant.
    package static func integer(_ digits: String) -> Int? {
        if let number = Int(digits) { return number }
        guard let number = Double(digits), number == number.rounded(), abs(number) <= 0x1p53 else { return nil }
        return Int(number)
    }

    /// The value as an integer, exact to 64 bits; nil for what is none.
    package var integer: Int? { digits(inText: false).flatMap(Self.integer) }

    /// The value as a number; nil for what is none, and for what no double holds.
    package var number: Double? {
        digits(inText: false).flatMap(Double.init).flatMap { $0.isFinite ? $0 : nil }
    }

    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var bool: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }

    package var array: [JSON]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    package var members: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }
}
