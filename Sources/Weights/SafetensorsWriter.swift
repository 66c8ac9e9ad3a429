import Foundation
import Tensor

/// Writes float32 tensors as a safetensors file.
package enum SafetensorsWriter {
    /// Writes aside and renames, so that the file appears once and whole.
    /// - Throws: `WeightError.unreadable` with the system's reason if it cannot be written.
    package static func write(
        _ tensors: [(name: String, value: Tensor)], metadata: [String: String] = [:], to path: String
    ) throws(WeightError) {
        var fields: [String: Any] = metadata.isEmpty ? [:] : ["__metadata__": metadata]
        var data = Data()
        for (name, tensor) in tensors {
            let start = data.count
            tensor.withUnsafe { data.append(Data(buffer: $0)) }
            fields[name] = ["dtype": "F32", "shape": tensor.shape, "data_offsets": [start, data.count]]
        }
        do {
            var header = try JSONSerialization.data(withJSONObject: fields, options: [.sortedKeys])
            // The data begins at a multiple of eight bytes, as the format recommends.
            header.append(Data(repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
            let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
            try (length + header + data).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw .unreadable(file: path, reason: "cannot be written: \(error.localizedDescription)")
        }
    }
}
