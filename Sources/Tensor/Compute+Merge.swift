extension Compute {
    /// w + scale * delta of an update, in place, in float32: w has its `[out, in]`. Row by row, so that delta is never there as
    /// a whole.
    func merge(_ update: LayerUpdate, into w: Tensor) {
        precondition(w.count == update.outputs * update.inputs, "an update of other dimensions than \(w.shape)")
        switch update.form {
        case .lowRank(let down, let up): add([Rows(of: [up, down])], scale: update.scale, to: w)
        case .hadamard(let down1, let up1, let down2, let up2):
            add([Rows(of: [up1, down1]), Rows(of: [up2, down2])], scale: update.scale, to: w)
        case .whole(let delta): add([Rows(of: [delta])], scale: update.scale, to: w)
        case .kronecker(let left, let right): add(left, Rows(of: right), of: update, to: w)
        case .tucker: merge(update.expanded(), into: w)
        }
    }

    /// The rows of a matrix that is whole, or a product of two.
    private struct Rows {
        private let left: Tensor?
        private let right: Tensor
        var count: Int { (left ?? right).shape[0] }
        var width: Int { right.shape[1] }

        init(of factors: [Weight]) {
            precondition((1...2).contains(factors.count), "a product of \(factors.count) matrices")
            left = factors.count == 2 ? factors[0].widened() : nil
            right = factors[factors.count - 1].widened()
        }

        func write(_ row: Int, to out: UnsafeMutablePointer<Float>) {
            guard let left else {
                out.update(from: right.pointer + row * width, count: width)
                return
            }
            let inner = right.shape[0]
            out.update(repeating: 0, count: width)
            for k in 0..<inner {
                Compute.add(right.pointer + k * width, times: left.pointer[row * inner + k], to: out, count: width)
            }
        }
    }

    private static let rowsAtOnce = 8

    /// w += scale * the product of all `factors`, element by element.
    private func add(_ factors: [Rows], scale: Float, to w: Tensor) {
        let width = factors[0].width
        parallel(factors[0].count, grain: Self.rowsAtOnce) { rows in
            let buffers = factors.map { _ in UnsafeMutablePointer<Float>.allocate(capacity: width) }
            defer { buffers.forEach { $0.deallocate() } }
            let delta = buffers[0]
            for row in rows {
                for (factor, buffer) in zip(factors, buffers) { factor.write(row, to: buffer) }
                for other in buffers.dropFirst() {
                    for index in 0..<width { delta[index] *= other[index] }
                }
                Self.add(delta, times: scale, to: w.pointer + row * width, count: width)
            }
        }
    }

    /// Row a C + c of a Kronecker product is left[a, b] right[c, ...] for one b after the other: left `[A, B]`, right `[C, D]`.
    private func add(_ left: Tensor, _ right: Rows, of update: LayerUpdate, to w: Tensor) {
        let (outer, blocks, width) = (left.shape[0], left.shape[1], right.width)
        parallel(right.count, grain: Self.rowsAtOnce) { rows in
            let buffer = UnsafeMutablePointer<Float>.allocate(capacity: width)
            defer { buffer.deallocate() }
            for c in rows {
                right.write(c, to: buffer)
                for a in 0..<outer {
                    let row = a * right.count + c - update.firstRow
                    guard (0..<update.outputs).contains(row) else { continue }
                    for b in 0..<blocks {
                        Self.add(
                            buffer, times: update.scale * left.pointer[a * blocks + b],
                            to: w.pointer + (row * blocks + b) * width, count: width)
                    }
                }
            }
        }
    }

    private static func add(
        _ x: UnsafeMutablePointer<Float>, times factor: Float, to out: UnsafeMutablePointer<Float>, count: Int
    ) {
        for index in 0..<count { out[index] += factor * x[index] }
    }
}
