/// One range of a `Range` field. Several ranges, other units and what cannot be read are as no field at all: the whole
/// is sent, which RFC 9110 14.2 allows.
struct ByteRange: Equatable {
    private enum Form: Equatable {
        case from(Int, through: Int?)
        case suffix(Int)
    }

    private let form: Form

    init?(_ field: String) {
        let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].trimmed().equalsIgnoringCase("bytes") else { return nil }
        let bounds = parts[1].trimmed().split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count == 2 else { return nil }
        switch (bounds[0].isEmpty, bounds[1].isEmpty) {
        case (true, true): return nil
        case (true, false):
            guard let count = Self.number(bounds[1]) else { return nil }
            form = .suffix(count)
        case (false, true):
            guard let first = Self.number(bounds[0]) else { return nil }
            form = .from(first, through: nil)
        case (false, false):
            guard let first = Self.number(bounds[0]), let last = Self.number(bounds[1]), first <= last else {
                return nil
            }
            form = .from(first, through: last)
        }
    }

    /// The part of a representation of `size` bytes, nil when there is none (416).
    func resolve(size: Int) -> Range<Int>? {
        switch form {
        case .suffix(let count):
            guard count > 0, size > 0 else { return nil }
            return max(0, size - count)..<size
        case .from(let first, let last):
            guard first < size else { return nil }
            guard let last, last < size - 1 else { return first..<size }
            return first..<(last + 1)
        }
    }

    /// Digits only; a number beyond 63 bits is past the end of every file, so it may as well be the largest.
    private static func number(_ digits: Substring) -> Int? {
        guard digits.utf8.allSatisfy(\.isDigit) else { return nil }
        return Int(digits) ?? Int.max
    }
}
