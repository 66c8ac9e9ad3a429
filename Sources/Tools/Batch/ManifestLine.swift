import Jobs
import Pipelines
import Support

/// One line of a manifest: named values, read by type. What is wrong is noted, and the reading goes on, so that all that
/// is wrong with a line is told at once.
struct ManifestLine: RequestFieldReader {
    let line: Int
    private let values: [String: JSON]
    /// Values of a CSV file are text; numbers are read from it.
    private let isText: Bool
    private(set) var faults: [ManifestFault] = []

    /// The fields of a line, as `RequestFields` has them.
    static let names = RequestFields.taken(by: .manifest).compactMap { $0.name(for: .manifest) }
    /// What a field is also called, such as in the HTTP API.
    static let aliases = Dictionary(
        RequestFields.taken(by: .manifest).flatMap { field in
            let names = field.allNames(for: .manifest)
            return names.dropFirst().map { ($0, names[0]) }
        }, uniquingKeysWith: { first, _ in first })

    init(line: Int, members: [JSON.Member], isText: Bool) {
        self.line = line
        self.isText = isText
        var values: [String: JSON] = [:]
        var faults: [ManifestFault] = []
        for member in members {
            let name = Self.aliases[member.name] ?? member.name
            if !Self.names.contains(name) {
                let known = Self.names.joined(separator: ", ")
                faults.append(
                    ManifestFault(
                        line: line, field: String(member.name.prefix(40)),
                        reason: "there is no such field, only \(known)")
                )
            } else if values.updateValue(member.value, forKey: name) != nil {
                faults.append(
                    ManifestFault(line: line, field: member.name, reason: "the field is given twice, also as \(name)"))
            }
        }
        // Left out, null, and in CSV empty are the same.
        self.values = values.filter { $0.value != .null && !(isText && $0.value == .string("")) }
        self.faults = faults
    }

    mutating func fault(_ field: String?, _ reason: String) {
        faults.append(ManifestFault(line: line, field: field, reason: reason))
    }

    func has(_ name: String) -> Bool { values[name] != nil }

    // MARK: Reading

    mutating func string(_ name: String) -> String? {
        guard let value = values[name] else { return nil }
        guard case .string(let text) = value else {
            fault(name, "\(Self.show(value)) is not a text")
            return nil
        }
        return text
    }

    mutating func name(_ field: RequestField) -> String? { field.name(for: .manifest).flatMap { string($0) } }

    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ field: RequestField, _: Choice.Type
    ) -> Choice? {
        field.name(for: .manifest).flatMap { choice($0, Choice.self) }
    }

    /// A prompt: of bounded length, and without NUL, which neither PNG nor MP4 can hold.
    mutating func text(_ field: RequestField) -> String? {
        guard let name = field.name(for: .manifest), let text = string(name) else { return nil }
        if case .text(let longest) = field.content, text.unicodeScalars.count > longest {
            fault(name, "it has \(text.unicodeScalars.count) characters; at most \(longest) are allowed")
            return nil
        }
        guard !text.unicodeScalars.contains("\0") else {
            fault(name, "it contains a NUL character")
            return nil
        }
        return text
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(_ name: String, _: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        guard let text = string(name) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: " or ")
            fault(name, "'\(text.prefix(40))' is not \(known)")
            return nil
        }
        return choice
    }

    mutating func integer(_ field: RequestField) -> Int? {
        guard let name = field.name(for: .manifest), let range = field.integers, let value = values[name] else {
            return nil
        }
        guard let digits = value.digits(inText: isText), let number = JSON.integer(digits), range.contains(number)
        else {
            fault(name, "\(Self.show(value)) is not an integer from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    mutating func number(_ field: RequestField) -> Double? {
        guard let name = field.name(for: .manifest), let range = field.numbers, let value = values[name] else {
            return nil
        }
        guard let digits = value.digits(inText: isText), let number = Double(digits), range.contains(number) else {
            fault(
                name,
                "\(Self.show(value)) is not a number from \(JSON(range.lowerBound).text) to \(JSON(range.upperBound).text)"
            )
            return nil
        }
        return number
    }

    /// `[{"name": "style", "strength": 0.8, "expert": "high"}]`, or `<lora:style:0.8:expert=high>` as text.
    mutating func loras(_ name: String) -> [LoRA] {
        guard let value = values[name] else { return [] }
        if case .string(let text) = value {
            if let tags = try? LoRATags(text), tags.prompt.isEmpty, !tags.loras.isEmpty { return tags.loras }
        } else if case .array(let elements) = value {
            let loras = elements.compactMap(Self.lora)
            if loras.count == elements.count { return loras }
        }
        fault(
            name, "\(Self.show(value)) is neither [{\"name\": \"style\", \"strength\": 0.8}] nor <lora:style:0.8>")
        return []
    }

    private static func lora(_ value: JSON) -> LoRA? {
        guard case .object(let members) = value else { return nil }
        var (name, strength, expert): (String?, Float, String?) = (nil, 1, nil)
        for member in members {
            switch (member.name, member.value) {
            case ("name", .string(let text)): name = text
            case ("expert", .string(let text)): expert = text
            case ("strength", .number(let digits)):
                guard let number = Float(digits) else { return nil }
                strength = number
            default: return nil
            }
        }
        return name.map { LoRA(name: $0, strength: strength, expert: expert) }
    }

    /// `["a.png", "b.png"]`, or `a.png | b.png` as text, for which a path has no `|` and neither begins nor ends with a
    /// blank.
    mutating func paths(_ name: String) -> [String]? {
        guard let value = values[name] else { return nil }
        if isText, case .string(let text) = value {
            // By bytes: a bar is one whatever combining character follows it.
            return text.utf8.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false).map { part in
                let blanks = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
                let start = part.drop(while: blanks)
                let end = start.lastIndex { !blanks($0) }.map { start.index(after: $0) } ?? start.startIndex
                return String(decoding: start[..<end], as: UTF8.self)
            }
        }
        if case .array(let elements) = value {
            let paths = elements.compactMap(\.string)
            if paths.count == elements.count { return paths }
        }
        fault(name, "\(Self.show(value)) is not a list of paths, such as [\"a.png\", \"b.png\"]")
        return nil
    }

    /// `832x480`.
    mutating func size(_ name: String) -> PixelSize? {
        guard let text = string(name) else { return nil }
        guard let size = PixelSize(text) else {
            fault(name, "'\(text.prefix(40))' is not WIDTHxHEIGHT in pixels, such as 832x480")
            return nil
        }
        return size
    }

    /// One seed or a range of them, `0-9`.
    mutating func seeds(_ name: String, atMost most: Int) -> ClosedRange<Int>? {
        guard let value = values[name] else { return nil }
        var bounds: [Int?] = []
        switch value {
        case .number(let digits): bounds = [JSON.integer(digits)]
        case .string(let text):
            bounds = text.split(separator: "-", omittingEmptySubsequences: false).map { Self.digits($0, atMost: 19) }
            // A table whose column has empty cells is often saved with 3.0 for 3.
            if bounds.count == 1, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }) {
                bounds = [(try? JSON(parsing: Array(text.utf8)))?.integer ?? bounds[0]]
            }
        default: break
        }
        guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, bounds.count <= 2, first >= 0 else {
            fault(name, "\(Self.show(value)) is not a seed from 0 on, or a range of seeds such as 0-9")
            return nil
        }
        guard first <= last else {
            fault(name, "the range \(first)-\(last) runs backwards")
            return nil
        }
        guard last - first < most else {
            fault(name, "the range \(first)-\(last) has \(last - first + 1) seeds; at most \(most) are allowed")
            return nil
        }
        return first...last
    }

    /// Digits and nothing else: no sign, no blank.
    private static func digits(_ text: Substring, atMost most: Int = 9) -> Int? {
        guard (1...most).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    private static func show(_ value: JSON) -> String {
        let text = value.text
        return text.count > 40 ? "\(text.prefix(40))..." : text
    }
}
