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
}
