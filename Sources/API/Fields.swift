import HTTP
import Support

/// The fields of a request's body, read by name and type. What is wrong with one is an `APIError` that names it.
///
/// null counts as not given, as OpenAI's clients send it for what was left out.
struct Fields: Sendable {
    private let values: [String: JSON]
    /// Numbers and truth values are read from text as well: all values of a form are text.
    private let takesText: Bool
    /// The files of a form, by name without `[]`.
    let files: [String: [[UInt8]]]

    /// - Parameter takesText: whether a number or a truth value may also stand in a string.
    /// - Throws: `APIError` unless the body is a JSON object.
    init(json request: HTTPRequest, takesText: Bool = false) throws {
        try Self.requireJSON(request)
        do {
            let value = try JSON(parsing: request.body)
            guard case .object(let members) = value else {
                throw APIError.invalid(nil, "the body is \(Self.show(value)); it must be a JSON object")
            }
            self.init(members: members, takesText: takesText)
        } catch let fault as JSONFault {
            throw APIError.invalid(nil, "the body is not JSON: \(fault)", code: "invalid_json")
        }
    }

    /// A form, or else JSON.
    init(body request: HTTPRequest) throws {
        let isForm = Self.mediaType(request.headers["Content-Type"] ?? "") == "multipart/form-data"
        if isForm { try self.init(form: MultipartForm(request).parts) } else { try self.init(json: request) }
    }

    /// - Throws: `APIError` for a body that says it is something else.
    static func requireJSON(_ request: HTTPRequest) throws {
        guard let type = request.headers["Content-Type"], mediaType(type) != "application/json" else { return }
        throw APIError(
            status: 415, message: "Content-Type is '\(type.prefix(100))'; send application/json", param: "Content-Type",
            code: "unsupported_media_type")
    }

    init(members: [JSON.Member], takesText: Bool = false) {
        values = Dictionary(members.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        self.takesText = takesText
        files = [:]
    }

    /// What is empty counts as not given, as null does in JSON: a page sends all of its fields.
    ///
    /// Pictures may come as files or as text, under names with brackets as well: `image[]`, `image[0]`,
    /// `input_reference[image_url]`.
    /// - Throws: `APIError` for a file of a field that takes none, and for a field given twice.
    init(form parts: [MultipartForm.Part]) throws {
        var values: [String: JSON] = [:]
        var files: [String: [[UInt8]]] = [:]
        var listed: [String: [JSON]] = [:]
        for part in parts where !part.isNoFile && (part.filename != nil || !part.content.isEmpty) {
            let picture = FormPictureName(part.name)
            let text = part.filename == nil ? String(validating: part.content, as: UTF8.self) : nil
            guard let text else {
                guard let picture else {
                    throw part.filename == nil
                        ? APIError.invalid(part.name, "\(part.name) is not UTF-8") : Self.noPicture(part.name)
                }
                files[picture.field, default: []].append(part.content)
                continue
            }
            if let picture, picture.field != part.name {
                listed[picture.field, default: []].append(picture.value(text))
                continue
            }
            guard values.updateValue(.string(text), forKey: part.name) == nil else {
                throw APIError.invalid(part.name, "\(part.name) is given twice")
            }
        }
        for (name, list) in listed { values[name] = .array((values[name].map { [$0] } ?? []) + list) }
        self.values = values
        self.files = files
        takesText = true
    }

    private static func noPicture(_ name: String) -> APIError {
        .invalid(
            name,
            "\(name.prefix(40)) is a file; files are pictures, under "
                + FormPictureName.fields.subtracting(["mask"]).sorted().joined(separator: ", "))
    }

    /// `application/json; charset=utf-8` without its parameters, in lower case.
    static func mediaType(_ field: String) -> String {
        let end = field.firstIndex(of: ";") ?? field.endIndex
        return field[..<end].filter { $0 != " " && $0 != "\t" }.lowercased()
    }

    /// Names of the fields given, sorted.
    var names: [String] { Set(values.keys).union(files.keys).sorted() }

    // MARK: Reading

    /// The value as it was sent; nil if there is none.
    subscript(name: String) -> JSON? {
        values[name].flatMap { $0 == .null ? nil : $0 }
    }

    /// Whether there is more under a name than an empty text or an empty list.
    func isGiven(_ name: String) -> Bool {
        if files[name] != nil { return true }
        return self[name].map { $0 != .string("") && $0 != .array([]) } ?? false
    }

    func string(_ name: String) throws -> String? {
        guard let value = self[name] else { return nil }
        guard case .string(let text) = value else { throw wrong(name, value, "a string") }
        return text
    }

    func choice(_ name: String, of allowed: [String]) throws -> String? {
        guard let text = try string(name) else { return nil }
        guard allowed.contains(text) else {
            throw wrong(name, .string(text), allowed.map { "'\($0)'" }.joined(separator: " or "))
        }
        return text
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let value = self[name] else { return nil }
        guard let digits = value.digits(inText: takesText), let number = JSON.integer(digits), range.contains(number)
        else {
            throw wrong(name, value, "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func number(_ name: String, in range: ClosedRange<Double>) throws -> Double? {
        guard let value = self[name] else { return nil }
        guard let digits = value.digits(inText: takesText), let number = Double(digits), range.contains(number) else {
            throw wrong(name, value, "a number from \(JSON(range.lowerBound).text) to \(JSON(range.upperBound).text)")
        }
        return number
    }

    func boolean(_ name: String) throws -> Bool? {
        guard let value = self[name] else { return nil }
        switch value {
        case .bool(let flag): return flag
        // Python writes True.
        case .string(let text) where takesText && text.lowercased() == "true": return true
        case .string(let text) where takesText && text.lowercased() == "false": return false
        default: throw wrong(name, value, "true or false")
        }
    }

    /// The fields of an object inside; nil if there is none.
    func object(_ name: String) throws -> Fields? {
        guard let value = self[name] else { return nil }
        guard case .object(let members) = value else { throw wrong(name, value, "an object") }
        return Fields(members: members)
    }

    /// The fields of each object in an array, which in a form is written as JSON; nil if there is none.
    func objects(_ name: String) throws -> [Fields]? {
        guard var value = self[name] else { return nil }
        if takesText, case .string(let text) = value, let parsed = try? JSON(parsing: Array(text.utf8)) {
            value = parsed
        }
        guard case .array(let elements) = value else { throw wrong(name, value, "an array of objects") }
        return try elements.enumerated().map { index, element in
            guard case .object(let members) = element else {
                throw APIError.invalid(name, "\(name)[\(index)] is \(Self.show(element)); it must be an object")
            }
            return Fields(members: members)
        }
    }

    /// - Throws: `APIError` for the first field that is none of these.
    func requireKnown(_ known: [String]) throws {
        guard let stray = names.first(where: { !known.contains($0) }) else { return }
        throw APIError.invalid(
            stray, "there is no field '\(stray.prefix(40))' here, only \(known.joined(separator: ", "))",
            code: "unknown_parameter")
    }

    // MARK: Refusing

    func wrong(_ name: String, _ value: JSON, _ expected: String) -> APIError {
        .invalid(name, "\(name) is \(Self.show(value)); it must be \(expected)")
    }

    private static func show(_ value: JSON) -> String {
        switch value {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .number(let digits): String(digits.prefix(40))
        case .string(let text): text.count > 40 ? "'\(text.prefix(40))...'" : "'\(text)'"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
