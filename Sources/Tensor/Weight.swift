import CKernels

/// A weight tensor where it lies, in its own element type: usually inside a mapped file, which it keeps mapped.
package struct Weight: @unchecked Sendable {
    /// The full key in the checkpoint, for messages.
    package let name: String
    package let type: ElementType
    package let shape: [Int]
    /// `count * type.size` bytes; they need no alignment.
    package let bytes: UnsafeRawBufferPointer
    /// Whatever must live as long as `bytes`.
    private let owner: AnyObject

    /// - Precondition: `bytes` has the length that `shape` and `type` say and stays valid while `owner` lives.
    package init(name: String, type: ElementType, shape: [Int], bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        precondition(bytes.count == shape.reduce(1, *) * type.size, "\(name): bytes do not match \(shape)")
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
        self.owner = owner
    }

    /// A weight made from float32 values in memory.
    package init(name: String, _ tensor: Tensor) {
        let bytes = UnsafeRawBufferPointer(start: tensor.pointer, count: tensor.count * MemoryLayout<Float>.stride)
        self.init(name: name, type: .f32, shape: tensor.shape, bytes: bytes, owner: tensor.storage)
    }

    package var count: Int { shape.reduce(1, *) }

    /// A float32 copy.
    package func widened() -> Tensor {
        let result = Tensor(uninitialized: shape)
        widen(0..<count, into: result.pointer)
        return result
    }

    /// The same elements under another shape of the same count.
    package func reshaped(_ shape: [Int]) -> Weight {
        Weight(name: name, type: type, shape: shape, bytes: bytes, owner: owner)
    }

    /// Rows `range` of the first axis, where they lie.
    package func slice(_ range: Range<Int>) -> Weight {
        precondition(range.lowerBound >= 0 && range.upperBound <= shape[0], "\(name): \(range) is outside \(shape)")
        let stride = shape.dropFirst().reduce(1, *) * type.size
        let part = UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound * stride..<range.upperBound * stride])
        return Weight(name: name, type: type, shape: [range.count] + shape.dropFirst(), bytes: part, owner: owner)
    }

    /// Rows `range` of the first axis as float32, `[range.count, ...]`.
    package func rows(_ range: Range<Int>) -> Tensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= shape[0], "\(name): \(range) is outside \(shape)")
        let stride = shape.dropFirst().reduce(1, *)
        let result = Tensor(uninitialized: [range.count] + shape.dropFirst())
        widen(range.lowerBound * stride..<range.upperBound * stride, into: result.pointer)
        return result
    }

    /// Whether the bytes can be read in place as float32.
    var isAlignedFloat32: Bool {
        type == .f32 && UInt(bitPattern: bytes.baseAddress) % UInt(MemoryLayout<Float>.alignment) == 0
    }

    /// Writes elements `range` as float32.
    func widen(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) {
        guard let base = bytes.baseAddress, !range.isEmpty else { return }
        let source = base + range.lowerBound * type.size
        switch type {
        case .f32: UnsafeMutableRawPointer(out).copyMemory(from: source, byteCount: range.count * 4)
        case .bf16: phasor_widen_bf16(source, out, range.count)
        case .f16: phasor_widen_f16(source, out, range.count)
        case .f64: phasor_widen_f64(source, out, range.count)
        case .i64: widenIntegers(Int64.self, source, out, range.count)
        case .i32: widenIntegers(Int32.self, source, out, range.count)
        case .i16: widenIntegers(Int16.self, source, out, range.count)
        case .i8: widenIntegers(Int8.self, source, out, range.count)
        case .u8, .bool: widenIntegers(UInt8.self, source, out, range.count)
        }
        withExtendedLifetime(owner) {}
    }

    private func widenIntegers<I: FixedWidthInteger>(
        _: I.Type, _ source: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, _ count: Int
    ) {
        for index in 0..<count {
            out[index] = Float(source.loadUnaligned(fromByteOffset: index * MemoryLayout<I>.size, as: I.self))
        }
    }
}
