import Foundation
import Support

/// A JSON value that knows where in which file it stands, so that every complaint can say so.
struct ConfigurationValue {
    let file: String
    let path: String
    let content: JSON

    /// - Throws: `DiffusionError.configuration` if the data is not JSON.
    init(_ data: Data, file: String) throws {
        self.file = file
        path = ""
        if let foreign = ForeignFile.description(of: data.prefix(ForeignFile.looked)) {
            throw DiffusionError.configuration(file: file, key: "", reason: "it is \(foreign)")
        }
        do {
            content = try JSON(parsing: [UInt8](data), limits: .file)
        } catch {
            throw DiffusionError.configuration(file: file, key: "", reason: "not valid JSON: \(error)")
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
        return members.map(\.name).sorted()
    }

    /// Returns nil if the key is absent or null; diffusers writes null for an absent key.
    func optional(_ key: String) throws -> ConfigurationValue? {
        guard case .object = content else { throw fault("must be an object") }
        guard let member = content[key], member != .null else { return nil }
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
        guard let value = content.number else { throw fault("must be a number") }
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
            throw fault("is \(content.text) and must be a whole number above 0")
        }
        return integer
    }

    /// Whether it is that value; 1 and 1.0 are the same number.
    func matches(_ wanted: JSON) -> Bool {
        guard case .number = wanted else { return content == wanted }
        return content.number != nil && content.number == wanted.number
    }

    /// A pair such as ["diffusers", "WanTransformer3DModel"] in model_index.json; [null, null] means absent.
    var namesComponent: Bool {
        guard case .array(let pair) = content, let last = pair.last, case .string = last else { return false }
        return true
    }
}
