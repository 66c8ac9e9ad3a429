import Tensor

/// Writes a checkpoint again with narrower weights, tensor by tensor: a 57 GB one needs no more memory than a small one.
///
/// What is narrowed follows the published conversions: matrices of linear layers and embeddings. Norms, biases,
/// modulation tables and other small tensors keep their type, and the layers before the first and after the last block,
/// through which everything passes, stay at eight bits (bf16 under fp8).
package struct Quantizer {
    package enum Target: String, Sendable, CaseIterable {
        case q8x0 = "q8_0"
        case q4k = "q4_k"
        case bf16, f16, fp8

        package var format: WeightFileWriter.Format {
            switch self {
            case .q8x0, .q4k: .gguf
            case .bf16, .f16, .fp8: .safetensors
            }
        }
    }

    private struct Plan {
        let entry: WeightFileWriter.Entry
        let weight: Weight
    }

    private let source: String
    private let plans: [String: Plan]
    private let target: Target
    /// Bytes of the file's tensors.
    package let byteCount: Int

    package init(_ checkpoint: Checkpoint, target: Target) {
        self.target = target
        source = checkpoint.path
        plans = Dictionary(
            uniqueKeysWithValues: checkpoint.tensors.map { key, weight in
                let type = Self.type(of: weight, named: key, target: target)
                return (key, Plan(entry: .init(name: key, type: type, shape: weight.shape), weight: weight))
            })
        byteCount = plans.values.reduce(0) { $0 + $1.entry.byteCount }
    }

    // MARK: Which type

    /// Matrices of fewer elements are tables, not layers.
    private static let smallestMatrix = 4096

    static func type(of weight: Weight, named key: String, target: Target) -> ElementType {
        guard weight.type.isFloatingPoint || weight.scales != nil else { return weight.type }
        let canStay = target.format == .gguf ? weight.type.gguf != nil : weight.type.blockElements == 1
        let plain: ElementType = canStay && weight.scales == nil ? weight.type : .bf16
        let isMatrix = weight.shape.count == 2 && weight.count >= smallestMatrix && key.hasSuffix(".weight")
        switch target {
        case .bf16, .f16:
            let isConvolution = weight.shape.count > 2 && key.hasSuffix(".weight")
            return isMatrix || isConvolution ? (target == .bf16 ? .bf16 : .f16) : plain
        case .fp8:
            guard isMatrix else { return plain }
            return isInBlock(key) ? .e4m3 : .bf16
        case .q8x0, .q4k:
            guard isMatrix, let columns = weight.shape.last else { return plain }
            let wanted: [ElementType] = target == .q4k && isInBlock(key) ? [.q4k, .q8x0] : [.q8x0]
            return wanted.first { columns % $0.blockElements == 0 } ?? plain
        }
    }

    /// Whether the key has a numbered block in it: `blocks.3.`, `transformer_blocks.3.`, `block.3.`, `blk.3.`,
    /// `layers.3.`.
    private static func isInBlock(_ key: String) -> Bool {
        let parts = key.split(separator: ".")
        return zip(parts, parts.dropFirst()).contains { name, number in
            (name.hasSuffix("block") || name.hasSuffix("blocks") || name == "blk" || name == "layers")
                && Int(number) != nil
        }
    }

    // MARK: Writing

    /// - Parameter onProgress: called after each piece with the bytes that are done.
    /// - Throws: `WeightError.malformed` that names a tensor with values that cannot be quantised, `.unwritable`.
    package func write(
        to path: String, metadata: [String: String], compute: Compute, onProgress: (Int) -> Void = { _ in }
    ) throws(WeightError) {
        let ordered = plans.values.map(\.entry).sorted { $0.name < $1.name }
        var scales: [String: Tensor] = [:]
        for entry in ordered where entry.type == .e4m3 {
            guard let weight = plans[entry.name]?.weight else { continue }
            let largest = compute.largestMagnitude(of: weight)
            scales[Self.scaleName(entry.name)] = Tensor([largest > 0 ? largest / 448 : 1], shape: [])
        }
        var entries = ordered + scales.keys.sorted().map { .init(name: $0, type: .f32, shape: []) }
        // ComfyUI tells scaled fp8 by this empty tensor.
        if !scales.isEmpty { entries.append(.init(name: "scaled_fp8", type: .e4m3, shape: [0])) }
        let writer = try WeightFileWriter(path: path, format: target.format, entries: entries, metadata: metadata)
        var done = 0
        for entry in writer.entries where entry.byteCount > 0 {
            if let scale = scales[entry.name] {
                try scale.withUnsafe { value throws(WeightError) in try writer.append(UnsafeRawBufferPointer(value)) }
            } else if let weight = plans[entry.name]?.weight {
                let factor = scales[Self.scaleName(entry.name)].map { 1 / $0.array[0] } ?? 1
                try copy(weight, as: entry, factor: factor, to: writer, compute: compute) {
                    done += $0
                    onProgress(done)
                }
            }
        }
        try writer.finish()
    }

    private static func scaleName(_ key: String) -> String { String(key.dropLast("weight".count)) + "scale_weight" }

    private func copy(
        _ weight: Weight, as entry: WeightFileWriter.Entry, factor: Float, to writer: WeightFileWriter,
        compute: Compute,
        onPiece: (Int) -> Void
    ) throws(WeightError) {
        // A multiple of every block length, 16 MB of float32.
        let piece = 1 << 22
        for start in stride(from: 0, to: weight.count, by: piece) {
            let range = start..<min(start + piece, weight.count)
            let span = weight.type.bytes(of: range.lowerBound)..<weight.type.bytes(of: range.upperBound)
            if entry.type == weight.type, weight.scales == nil {
                try writer.append(UnsafeRawBufferPointer(rebasing: weight.bytes[span]))
            } else {
                guard let bytes = compute.encode(weight, range, as: entry.type, factor: factor) else {
                    throw .malformed(
                        file: source,
                        reason: "\"\(entry.name)\" has numbers that \(entry.type.rawValue) cannot hold: not finite, or "
                            + "beyond its range")
                }
                try writer.append(bytes)
            }
            onPiece(entry.type.bytes(of: range.count))
        }
    }
}
