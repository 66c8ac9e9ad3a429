/// A dense, row-major float32 array; the last axis is the fastest.
///
/// A tensor is a view of a `Storage`. Operations return new tensors and never write into their inputs, so a
/// tensor that has been handed on does not change; only the code that just made one may write into it, through
/// `withUnsafeMutable` or as the `into:` argument of an operation.
package struct Tensor: @unchecked Sendable {
    package let shape: [Int]
    let storage: Storage
    let offset: Int

    init(storage: Storage, offset: Int, shape: [Int]) {
        self.storage = storage
        self.offset = offset
        self.shape = shape
    }

    /// Memory that is not cleared: for outputs that are written whole.
    package init(uninitialized shape: [Int]) {
        self.init(storage: Storage(count: shape.reduce(1, *)), offset: 0, shape: shape)
    }

    /// Memory that `write` fills, all of it. It is not called where memory is only planned.
    package init(shape: [Int], write: (UnsafeMutableBufferPointer<Float>) -> Void) {
        self.init(uninitialized: shape)
        if !MemoryPlan.isUnderway { withUnsafeMutable(write) }
    }

    /// Scratch memory of at least `bytes` bytes, 64-byte aligned.
    init(bytes: Int) {
        self.init(uninitialized: [(bytes + MemoryLayout<Float>.stride - 1) / MemoryLayout<Float>.stride])
    }

    package init(repeating value: Float, shape: [Int]) {
        self.init(shape: shape) { $0.update(repeating: value) }
    }

    package init(zeros shape: [Int]) {
        self.init(repeating: 0, shape: shape)
    }

    /// - Precondition: `values.count` is the product of `shape`.
    package init(_ values: [Float], shape: [Int]) {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values do not fill \(shape)")
        self.init(shape: shape) { _ = $0.update(fromContentsOf: values) }
    }

    package var count: Int { shape.reduce(1, *) }
    /// The first element. Valid as long as some tensor of this storage lives: prefer the scoped accessors.
    var pointer: UnsafeMutablePointer<Float> { storage.pointer + offset }

    package var array: [Float] { withUnsafe { Array($0) } }

    package func withUnsafe<R, E: Error>(_ body: (UnsafeBufferPointer<Float>) throws(E) -> R) throws(E) -> R {
        defer { withExtendedLifetime(storage) {} }
        return try body(UnsafeBufferPointer(start: pointer, count: count))
    }

    package func withUnsafeMutable<R, E: Error>(
        _ body: (UnsafeMutableBufferPointer<Float>) throws(E) -> R
    ) throws(E) -> R {
        defer { withExtendedLifetime(storage) {} }
        return try body(UnsafeMutableBufferPointer(start: pointer, count: count))
    }

    /// Writes into a tensor that the caller has just made and given to nobody. `write` is not called where memory is only
    /// planned.
    package func update(_ write: (UnsafeMutableBufferPointer<Float>) -> Void) {
        if !MemoryPlan.isUnderway { withUnsafeMutable(write) }
    }

    /// The same elements under another shape of the same count.
    package func reshaped(_ shape: [Int]) -> Tensor {
        precondition(shape.reduce(1, *) == count, "cannot view \(self.shape) as \(shape)")
        return Tensor(storage: storage, offset: offset, shape: shape)
    }

    /// Entries `range` of the first axis, sharing this tensor's memory.
    package func slice(_ range: Range<Int>) -> Tensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= shape[0], "\(range) is outside \(shape)")
        let stride = shape.dropFirst().reduce(1, *)
        return Tensor(
            storage: storage, offset: offset + range.lowerBound * stride, shape: [range.count] + shape.dropFirst())
    }

    /// Entry `index` of the first axis, without that axis.
    package subscript(index: Int) -> Tensor {
        let entry = slice(index..<index + 1)
        return entry.reshaped(Array(shape.dropFirst()))
    }

    /// A copy in memory of its own.
    package func copy() -> Tensor {
        Tensor(shape: shape) { copy in withUnsafe { _ = copy.update(fromContentsOf: $0) } }
    }

    /// `[..., A]` and `[..., B]`, which have the same rows, side by side: `[..., A + B]`.
    package static func beside(_ a: Tensor, _ b: Tensor) -> Tensor {
        let (left, right) = (a.shape.last ?? 0, b.shape.last ?? 0)
        precondition(a.shape.dropLast() == b.shape.dropLast(), "\(a.shape) does not fit beside \(b.shape)")
        return Tensor(shape: a.shape.dropLast() + [left + right]) { out in
            guard var target = out.baseAddress else { return }
            for row in 0..<a.count / max(left, 1) {
                target.update(from: a.pointer + row * left, count: left)
                (target + left).update(from: b.pointer + row * right, count: right)
                target += left + right
            }
            withExtendedLifetime((a, b)) {}
        }
    }

    /// Stacks tensors of equal trailing shape along the first axis.
    package static func concatenate(_ tensors: [Tensor]) -> Tensor {
        guard let first = tensors.first else { return Tensor(uninitialized: [0]) }
        for tensor in tensors {
            precondition(tensor.shape.dropFirst() == first.shape.dropFirst(), "shapes differ beyond the first axis")
        }
        return Tensor(shape: [tensors.reduce(0) { $0 + $1.shape[0] }] + first.shape.dropFirst()) { result in
            var offset = 0
            for tensor in tensors {
                tensor.withUnsafe { values in
                    _ = UnsafeMutableBufferPointer(rebasing: result[offset..<offset + values.count])
                        .update(fromContentsOf: values)
                }
                offset += tensor.count
            }
        }
    }
}
