import Foundation
import Support

/// A JSON value that knows where in which file it stands, so that every complaint can say so.
struct ConfigurationValue {
    let file: String
    let path: String
    let content: JSON

    enum JSON: Decodable, Equatable {
        case null
        case bool(Bool)
        case number(Double)
        case string(String)
        case array([JSON])
        case object([String: JSON])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let value = try? container.decode(Bool.self) {
                self = .bool(value)
            } else if let value = try? container.decode(Double.self) {
                self = .number(value)
            } else if let value = try? container.decode(String.self) {
                self = .string(value)
            } else if let value = try? container.decode([JSON].self) {
                self = .array(value)
            } else {
                self = .object(try container.decode([String: JSON].self))
            }
        }
    }

    /// - Throws: `DiffusionError.configuration` if the data is not JSON.
    init(_ data: Data, file: String) throws {
        self.file = file
        path = ""
        if let foreign = ForeignFile.description(of: data.prefix(ForeignFile.looked)) {
            throw DiffusionError.configuration(file: file, key: "", reason: "it is \(foreign)")
        }
        do {
            content = try JSONDecoder().decode(JSON.self, from: data)
        } catch {
            throw DiffusionError.configuration(file: file, key: "", reason: "not valid JSON")
        }
    }

    private init(_ content: JSON, file: String, path: String) {
        self.content = content
        self.file = file
        self.path = path
    }

    func fault(_ reason: String) -> DiffusionError {
        .configuration(file: file, key: path, reason: reason)
    }

    /// The same complaint, but about this place.
    func located<R>(_ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as DiffusionError {
            if case .configuration = error { throw error }
            throw fault(error.description)
        }
    }

    // MARK: - Objects and arrays

    /// - Throws: if this is no object or has a key that is not in `known`, which is most often a misspelt one.
    func requireKeys(in known: [String]) throws {
        for key in try keys() where !known.contains(key) {
            throw fault("unknown key '\(key)'; known are \(known.joined(separator: ", "))")
        }
    }

    func keys() throws -> [String] {
        guard case .object(let members) = content else { throw fault("must be an object") }
        return members.keys.sorted()
    }

    /// Nil if the key is absent or null, which diffusers writes for the same thing.
    func optional(_ key: String) throws -> ConfigurationValue? {
        guard case .object(let members) = content else { throw fault("must be an object") }
        guard let member = members[key] else { return nil }
        if case .null = member { return nil }
        return ConfigurationValue(member, file: file, path: path.isEmpty ? key : "\(path).\(key)")
    }

    func required(_ key: String) throws -> ConfigurationValue {
        guard let value = try optional(key) else { throw fault("'\(key)' is missing") }
        return value
    }

    func elements() throws -> [ConfigurationValue] {
        guard case .array(let elements) = content else { throw fault("must be an array") }
        return elements.enumerated().map { ConfigurationValue($1, file: file, path: "\(path)[\($0)]") }
    }

    // MARK: - Scalars

    func string() throws -> String {
        guard case .string(let value) = content else { throw fault("must be a string") }
        return value
    }

    func bool() throws -> Bool {
        guard case .bool(let value) = content else { throw fault("must be true or false") }
        return value
    }

    func number() throws -> Double {
        guard case .number(let value) = content else { throw fault("must be a number") }
        return value
    }

    func positiveNumber() throws -> Double {
        let value = try number()
        guard value > 0 else { throw fault("is \(value) and must be above 0") }
        return value
    }

    func positiveInteger() throws -> Int {
        let value = try number()
        guard let integer = Int(exactly: value), integer > 0 else {
            throw fault("is \(value) and must be a whole number above 0")
        }
        return integer
    }

    /// A pair such as ["diffusers", "WanTransformer3DModel"] in model_index.json; [null, null] means absent.
    var namesComponent: Bool {
        guard case .array(let pair) = content, let last = pair.last, case .string = last else { return false }
        return true
    }
}

// So that wanted values can be written as they stand in the file.
extension ConfigurationValue.JSON: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByStringLiteral, CustomStringConvertible
{
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(integerLiteral value: Int) { self = .number(Double(value)) }
    init(stringLiteral value: String) { self = .string(value) }

    var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let value): "\(value)"
        case .string(let value): "'\(value)'"
        case .array(let elements): "\(elements)"
        case .object(let members): "\(members)"
        }
    }
}
