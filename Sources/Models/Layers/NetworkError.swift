import Foundation
import Support
import Weights

/// Why a network cannot be built from a folder.
package enum NetworkError: Error, CustomStringConvertible {
    /// The configuration cannot be read or decoded.
    case badConfiguration(file: String, reason: String)
    /// The configuration is valid but asks for something that is not built.
    case unsupported(file: String, reason: String)

    package var description: String {
        switch self {
        case .badConfiguration(let file, let reason): "\(file): \(reason)"
        case .unsupported(let file, let reason): "\(file): not supported: \(reason)"
        }
    }
}

/// Reads a component's `config.json`.
/// - Throws: `NetworkError.badConfiguration` that names the file and the field.
package func decodeConfiguration<C: Decodable>(_ type: C.Type, at path: String) throws(NetworkError) -> C {
    guard let data = FileManager.default.contents(atPath: path) else {
        throw .badConfiguration(file: path, reason: "cannot be read")
    }
    if let foreign = ForeignFile.description(of: data.prefix(ForeignFile.looked)) {
        throw .badConfiguration(file: path, reason: "it is \(foreign)")
    }
    return try decodeConfiguration(type, Checkpoint.Configuration(json: data, source: path))
}

/// Reads the configuration that came with a checkpoint.
/// - Throws: `NetworkError.badConfiguration` that names where it stood and the field.
package func decodeConfiguration<C: Decodable>(
    _ type: C.Type, _ configuration: Checkpoint.Configuration
) throws(NetworkError) -> C {
    do {
        return try JSONDecoder().decode(type, from: configuration.json)
    } catch let error as DecodingError {
        throw .badConfiguration(file: configuration.source, reason: explain(error))
    } catch {
        throw .badConfiguration(file: configuration.source, reason: "\(error)")
    }
}

private func explain(_ error: DecodingError) -> String {
    func name(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
        (context.codingPath + (last.map { [$0] } ?? [])).map(\.stringValue).joined(separator: ".")
    }
    return switch error {
    case .keyNotFound(let key, let context): "no field \"\(name(context, key))\""
    case .typeMismatch(let type, let context): "field \"\(name(context))\" is not of type \(type)"
    case .valueNotFound(let type, let context): "field \"\(name(context))\" is null, expected \(type)"
    case .dataCorrupted(let context):
        context.codingPath.isEmpty ? "not valid JSON" : "field \"\(name(context))\": \(context.debugDescription)"
    @unknown default: "\(error)"
    }
}

/// Refuses numbers no real network has before they size an allocation.
package func requireRange(
    _ value: Int, _ range: ClosedRange<Int>, _ field: String, in file: String
) throws(NetworkError) {
    guard range.contains(value) else {
        throw .badConfiguration(
            file: file, reason: "\"\(field)\" is \(value), expected \(range.lowerBound)...\(range.upperBound)")
    }
}
