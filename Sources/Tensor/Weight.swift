import CKernels

/// Memory whose bytes may be away, and come when they are asked for.
package protocol WeightMemory: AnyObject, Sendable {
    /// Returns when `bytes` may be read; they stay until as many calls of `release`.
    func hold(_ bytes: UnsafeRawBufferPointer)
    func release(_ bytes: UnsafeRawBufferPointer)
}

/// A weight tensor where it lies, in its own element type: usually inside a mapped file, which it keeps mapped.
package struct Weight: @unchecked Sendable {
    /// The full key in the checkpoint, for messages.
    package let name: String
    package let type: ElementType
    package let shape: [Int]
    /// `type.bytes(of: count)` bytes; they need no alignment. Rows of quantised types are whole blocks.
    package let bytes: UnsafeRawBufferPointer
    /// Factors of the values, for types too narrow to hold them (fp8): one, or one for each row; nil for none.
    package let scales: Tensor?
    /// The object that must live as long as `bytes`.
    package let owner: AnyObject
    private let memory: (any WeightMemory)?

    /// - Precondition: `bytes` has the length that `shape` and `type` say and stays valid while `owner` lives; the last
    ///   axis is a multiple of `type.blockElements`; `scales` has one element or `shape[0]`.
    package init(
        name: String, type: ElementType, shape: [Int], bytes: UnsafeRawBufferPointer, scales: Tensor? = nil,
        owner: AnyObject
    ) {
        precondition(bytes.count == type.bytes(of: shape.reduce(1, *)), "\(name): bytes do not match \(shape)")
        precondition((shape.last ?? 1) % type.blockElements == 0, "\(name): \(type) blocks do not fill \(shape)")
        precondition(scales.map { $0.count == 1 || $0.count == shape.first } ?? true, "\(name): scales do not fit")
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
        self.scales = scales
        self.owner = owner
        memory = owner as? any WeightMemory
    }

    /// A weight made from float32 values in memory.
    package init(name: String, _ tensor: Tensor) {
        let bytes = UnsafeRawBufferPointer(start: tensor.pointer, count: tensor.count * MemoryLayout<Float>.stride)
        self.init(name: name, type: .f32, shape: tensor.shape, bytes: bytes, owner: tensor.storage)
    }

    package var count: Int { shape.reduce(1, *) }

    /// Runs `body` with the first byte, while all of them are there.
    func reading<R>(_ body: (UnsafeRawPointer?) -> R) -> R {
        let memory = MemoryPlan.isUnderway ? nil : memory
        memory?.hold(bytes)
        defer {
            memory?.release(bytes)
            withExtendedLifetime(owner) {}
        }
        return body(bytes.baseAddress)
    }

    /// The same with several weights.
    static func reading<R>(_ weights: [Weight], _ body: ([UnsafeRawPointer?]) -> R) -> R {
        func next(_ index: Int, _ bytes: [UnsafeRawPointer?]) -> R {
            index < weights.count ? weights[index].reading { next(index + 1, bytes + [$0]) } : body(bytes)
        }
        return next(0, [])
    }

    /// A float32 copy.
    package func widened() -> Tensor {
        let result = Tensor(uninitialized: shape)
        widen(0..<count, into: result.pointer)
        return result
    }

    /// The same weight with its values multiplied by `scales`: one factor, or one for each row.
    package func scaled(by scales: Tensor) -> Weight {
        Weight(name: name, type: type, shape: shape, bytes: bytes, scales: scales, owner: owner)
    }

    /// The same elements under another shape of the same count.
    package func reshaped(_ shape: [Int]) -> Weight {
        Weight(name: name, type: type, shape: shape, bytes: bytes, scales: scales, owner: owner)
    }

    /// Rows `range` of the first axis, where they lie.
    package func slice(_ range: Range<Int>) -> Weight {
        precondition(range.lowerBound >= 0 && range.upperBound <= shape[0], "\(name): \(range) is outside \(shape)")
        let stride = type.bytes(of: shape.dropFirst().reduce(1, *))
        let part = UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound * stride..<range.upperBound * stride])
        return Weight(
            name: name, type: type, shape: [range.count] + shape.dropFirst(), bytes: part,
            scales: scales.map { $0.count == 1 ? $0 : $0.slice(range) }, owner: owner)
    }

    /// Rows `range` of the first axis as float32, `[range.count, ...]`.
    package func rows(_ range: Range<Int>) -> Tensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= shape[0], "\(name): \(range) is outside \(shape)")
        let stride = shape.dropFirst().reduce(1, *)
        let result = Tensor(uninitialized: [range.count] + shape.dropFirst())
        widen(range.lowerBound * stride..<range.upperBound * stride, into: result.pointer)
        return result
    }

    /// Writes elements `range`, which begins and ends on the edge of a block, as float32.
    func widen(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) {
        guard !range.isEmpty, !MemoryPlan.isUnderway else { return }
        reading { base in
            if let base { widen(range, from: base, into: out) }
        }
    }

    private func widen(_ range: Range<Int>, from base: UnsafeRawPointer, into out: UnsafeMutablePointer<Float>) {
        let source = base + type.bytes(of: range.lowerBound)
        switch type {
        case .f64: phasor_widen_f64(source, out, range.count)
        case .i64: widenIntegers(Int64.self, source, out, range.count)
        case .i32: widenIntegers(Int32.self, source, out, range.count)
        case .i16: widenIntegers(Int16.self, source, out, range.count)
        case .i8: widenIntegers(Int8.self, source, out, range.count)
        case .u64: widenIntegers(UInt64.self, source, out, range.count)
        case .u32: widenIntegers(UInt32.self, source, out, range.count)
        case .u16: widenIntegers(UInt16.self, source, out, range.count)
        case .e8m0:
            for index in 0..<range.count {
                let exponent = Int(source.load(fromByteOffset: index, as: UInt8.self)) - 127
                out[index] = exponent == 128 ? .nan : Float(sign: .plus, exponent: exponent, significand: 1)
            }
        case .u8, .bool: widenIntegers(UInt8.self, source, out, range.count)
        default: if let format = type.format { phasor_decode(format, base, range.lowerBound, range.count, out) }
        }
        if let scales {
            let row = scales.count == 1 ? count : shape.dropFirst().reduce(1, *)
            scales.withUnsafe { scales in
                for index in range { out[index - range.lowerBound] *= scales[index / row] }
            }
        }
    }

    private func widenIntegers<I: FixedWidthInteger>(
        _: I.Type, _ source: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, _ count: Int
    ) {
        for index in 0..<count {
            out[index] = Float(source.loadUnaligned(fromByteOffset: index * MemoryLayout<I>.size, as: I.self))
        }
    }
}
