import Foundation
import Tensor
import Testing

/// Reads `Tests/Fixtures/wan22-tiny/reference/NAME.safetensors`: F32 and I64 tensors that diffusers computed.
///
/// A reader of its own, because this module's tests must not depend on the one they would then help to test.
struct GoldenTensors {
    private struct Entry: Decodable {
        /// Nil for the entry `__metadata__`, which is no tensor.
        let dtype: String?
        let shape: [Int]?
        let offsets: [Int]?

        private enum CodingKeys: String, CodingKey {
            case dtype, shape
            case offsets = "data_offsets"
        }
    }
    private let entries: [String: Entry]
    private let body: Data

    init(_ name: String) throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/wan22-tiny/reference/\(name).safetensors")
        let data = try Data(contentsOf: file)
        let headerSize = Int(data.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        entries = try JSONDecoder().decode([String: Entry].self, from: data[8..<8 + headerSize])
        body = Data(data[(8 + headerSize)...])
    }

    func tensor(_ name: String) throws -> Tensor {
        let entry = try #require(entries[name], "no tensor \(name)")
        let offsets = try #require(entry.offsets)
        let values: [Float] = body[offsets[0]..<offsets[1]].withUnsafeBytes { bytes in
            entry.dtype == "I64"
                ? (0..<bytes.count / 8).map { Float(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
                : (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        return Tensor(values, shape: try #require(entry.shape))
    }

    func values(_ name: String) throws -> [Float] { try tensor(name).array }
}

/// The largest excess of |value - reference| over atol + rtol |reference|; at most 0 if all agree.
func excess(_ values: [Float], over reference: [Float], atol: Float, rtol: Float) -> Float {
    guard values.count == reference.count, !values.isEmpty else { return .infinity }
    return zip(values, reference).map { value, reference in
        let excess = abs(value - reference) - (atol + rtol * abs(reference))
        return excess.isNaN ? .infinity : excess
    }.max() ?? .infinity
}
