import Tensor

/// Writes float32 tensors as a safetensors file.
package enum SafetensorsWriter {
    /// - Throws: `WeightError.unwritable` with the system's reason.
    package static func write(
        _ tensors: [(name: String, value: Tensor)], metadata: [String: String] = [:], to path: String
    ) throws(WeightError) {
        let values = Dictionary(uniqueKeysWithValues: tensors)
        let writer = try WeightFileWriter(
            path: path, format: .safetensors,
            entries: tensors.map { WeightFileWriter.Entry(name: $0.name, type: .f32, shape: $0.value.shape) },
            metadata: metadata)
        for entry in writer.entries where entry.byteCount > 0 {
            guard let value = values[entry.name] else { continue }
            try value.withUnsafe { values throws(WeightError) in try writer.append(UnsafeRawBufferPointer(values)) }
        }
        try writer.finish()
    }
}
