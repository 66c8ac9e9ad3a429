import Foundation
import Support

/// Refuses numbers no real network has before they size an allocation.
/// - Throws: `TextError.invalid` that names the file and the field.
package func requireSizes<Key: CodingKey>(
    _ sizes: [(field: Key, value: Int, range: ClosedRange<Int>)], in file: String
) throws(TextError) {
    for (field, value, range) in sizes where !range.contains(value) {
        throw .invalid(
            file: file, field: field.stringValue,
            reason: "is \(value), expected \(range.lowerBound)...\(range.upperBound)")
    }
}

/// Decodes a JSON file of a checkpoint and turns every failure into a `TextError` that names the field.
package enum JSONFile {
    package static func decode<Value: Decodable>(_ type: Value.Type, at url: URL) throws(TextError) -> Value {
        try decode(type, from: data(at: url), named: url.path)
    }

    /// - Throws: also for a file of so many bytes that what it holds could not be counted in an `Int32`.
    package static func bytes(at url: URL) throws(TextError) -> [UInt8] {
        let data = try data(at: url)
        guard data.count <= Int(Int32.max) else { throw .unreadable(file: url.path, reason: "it is larger than 2 GB") }
        return [UInt8](data)
    }

    /// - Throws: also for bytes that are not UTF-8.
    package static func utf8(at url: URL) throws(TextError) -> [UInt8] {
        let bytes = try bytes(at: url)
        try requireUTF8(bytes, in: url.path)
        return bytes
    }

    package static func requireUTF8(_ bytes: [UInt8], in file: String) throws(TextError) {
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw .unreadable(file: file, reason: "it is not UTF-8")
        }
    }

    private static func data(at url: URL) throws(TextError) -> Data {
        let data: Data
        do {
            data = try Data(contentsOf: url)
        } catch {
            throw .unreadable(file: url.path, reason: error.localizedDescription)
        }
        if let foreign = ForeignFile.description(of: data.prefix(ForeignFile.looked)) {
            throw .unreadable(file: url.path, reason: "it is \(foreign)")
        }
        return data
    }

    package static func decode<Value: Decodable>(
        _ type: Value.Type, from data: Data, named file: String
    ) throws(TextError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            throw describe(error, file: file)
        } catch {
            throw .unreadable(file: file, reason: "\(error)")
        }
    }

    private static func describe(_ error: DecodingError, file: String) -> TextError {
        switch error {
        case .keyNotFound(let key, let context):
            .invalid(file: file, field: path(context.codingPath + [key]), reason: "is missing")
        case .valueNotFound(let type, let context):
            .invalid(file: file, field: path(context.codingPath), reason: "is empty, expected \(type)")
        case .typeMismatch(let type, let context):
            .invalid(file: file, field: path(context.codingPath), reason: "is not of type \(type)")
        case .dataCorrupted(let context) where context.codingPath.isEmpty:
            .unreadable(
                file: file, reason: context.underlyingError.map { "\($0)" } ?? context.debugDescription)
        case .dataCorrupted(let context):
            .invalid(file: file, field: path(context.codingPath), reason: context.debugDescription)
        @unknown default:
            .unreadable(file: file, reason: "\(error)")
        }
    }

    /// `model.vocab[17][1]`
    private static func path(_ keys: [any CodingKey]) -> String {
        var path = ""
        for key in keys {
            if let index = key.intValue {
                path += "[\(index)]"
            } else {
                path += (path.isEmpty ? "" : ".") + key.stringValue
            }
        }
        return path
    }
}
