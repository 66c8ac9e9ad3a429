import Foundation
import Tensor

/// One value of a GGUF file's metadata.
package enum GGUFValue: Sendable, Equatable {
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
    case bool(Bool)
    case string(String)
    case integers([Int])
    /// An array that nothing here reads, such as a vocabulary: its number of elements.
    case array(count: Int)

    package var integer: Int? {
        switch self {
        case .unsigned(let value): Int(exactly: value)
        case .signed(let value): Int(exactly: value)
        default: nil
        }
    }

    /// The value as text; nil for arrays.
    package var text: String? {
        switch self {
        case .unsigned(let value): "\(value)"
        case .signed(let value): "\(value)"
        case .float(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .string(let value): value
        case .integers, .array: nil
        }
    }

    /// Type numbers of the format, `gguf_metadata_value_type`.
    enum Kind: UInt32 {
        case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

        /// Bytes of a value; of a string its length field alone.
        var size: Int {
            switch self {
            case .uint8, .int8, .bool: 1
            case .uint16, .int16: 2
            case .uint32, .int32, .float32: 4
            case .string, .array, .uint64, .int64, .float64: 8
            }
        }
    }

    /// Arrays of integers up to this length are kept: shapes. Longer ones belong to vocabularies.
    private static let longestKept = 64

    init(kind: UInt32, key: String, from cursor: inout GGUFCursor) throws(WeightError) {
        guard let known = Kind(rawValue: kind) else { throw cursor.fault("\"\(key)\" has unknown type \(kind)") }
        switch known {
        case .array:
            let element = try cursor.integer(UInt32.self, "the element type of \"\(key)\"")
            guard let element = Kind(rawValue: element), element != .array else {
                throw cursor.fault("\"\(key)\" is an array of type \(element), which is not read")
            }
            self = try Self.array(of: element, key: key, from: &cursor)
        default: self = try Self.scalar(known, key: key, from: &cursor)
        }
    }

    private static func scalar(_ kind: Kind, key: String, from cursor: inout GGUFCursor) throws(WeightError)
        -> GGUFValue
    {
        switch kind {
        case .uint8: .unsigned(UInt64(try cursor.integer(UInt8.self, "\"\(key)\"")))
        case .uint16: .unsigned(UInt64(try cursor.integer(UInt16.self, "\"\(key)\"")))
        case .uint32: .unsigned(UInt64(try cursor.integer(UInt32.self, "\"\(key)\"")))
        case .uint64: .unsigned(try cursor.integer(UInt64.self, "\"\(key)\""))
        case .int8: .signed(Int64(try cursor.integer(Int8.self, "\"\(key)\"")))
        case .int16: .signed(Int64(try cursor.integer(Int16.self, "\"\(key)\"")))
        case .int32: .signed(Int64(try cursor.integer(Int32.self, "\"\(key)\"")))
        case .int64: .signed(try cursor.integer(Int64.self, "\"\(key)\""))
        case .float32: .float(Double(Float(bitPattern: try cursor.integer(UInt32.self, "\"\(key)\""))))
        case .float64: .float(Double(bitPattern: try cursor.integer(UInt64.self, "\"\(key)\"")))
        case .bool: .bool(try cursor.integer(UInt8.self, "\"\(key)\"") != 0)
        case .string, .array: .string(try cursor.string("\"\(key)\""))
        }
    }

    private static func array(of kind: Kind, key: String, from cursor: inout GGUFCursor) throws(WeightError)
        -> GGUFValue
    {
        let count = try cursor.count("elements of \"\(key)\"", entryBytes: kind.size, most: .max)
        if kind == .string {
            for _ in 0..<count {
                let length = try cursor.integer(UInt64.self, "a string of \"\(key)\"")
                _ = try cursor.bytes(length, "a string of \"\(key)\"")
            }
            return .array(count: count)
        }
        guard count <= longestKept else {
            _ = try cursor.bytes(UInt64(count * kind.size), "\"\(key)\"")
            return .array(count: count)
        }
        var values: [GGUFValue] = []
        for _ in 0..<count { values.append(try scalar(kind, key: key, from: &cursor)) }
        let integers = values.compactMap(\.integer)
        return integers.count == count ? .integers(integers) : .array(count: count)
    }
}
