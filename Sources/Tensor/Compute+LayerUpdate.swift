extension Compute {
    /// x delta^T of an update, without its scale: x `[M, in]` -> `[M, out]`, in float32. The precision is that of adapters, which
    /// are never rounded to int8.
    func product(_ x: Tensor, _ update: LayerUpdate) -> Tensor {
        let compute = unquantized
        func times(_ x: Tensor, _ weight: Weight) -> Tensor { compute.linear(x, Linear(weight: weight, bias: nil)) }
        switch update.form {
        case .lowRank(let down, let up): return times(times(x, down), up)
        case .whole(let delta): return times(x, delta)
        case .kronecker(let left, let right):
            let blocks = x.reshaped([x.count / max(update.inputs, 1) * left.shape[1], update.inputs / left.shape[1]])
            let inner = right.reversed().reduce(blocks) { times($0, $1) }
            return combine(left, inner, rows: update.firstRow..<update.firstRow + update.outputs)
        case .hadamard(let down1, let up1, let down2, let up2):
            return hadamard(x, down1.widened(), up1.widened(), down2.widened(), up2.widened(), times)
        case .tucker: return product(x, update.expanded())
        }
    }

    /// y[m, a C + c] = sum over b of left[a, b] inner[m B + b, c], of which columns `rows` are wanted: left `[A, B]`, inner
    /// `[M B, C]`.
    private func combine(_ left: Tensor, _ inner: Tensor, rows: Range<Int>) -> Tensor {
        let (outer, blocks, width) = (left.shape[0], left.shape[1], inner.shape[1])
        let m = inner.shape[0] / max(blocks, 1)
        let whole = Tensor(uninitialized: [m, outer * width])
        parallel(m, grain: 4) { items in
            for row in items {
                for a in 0..<outer {
                    let out = whole.pointer + (row * outer + a) * width
                    for c in 0..<width { out[c] = 0 }
                    for b in 0..<blocks {
                        let factor = left.pointer[a * blocks + b]
                        let values = inner.pointer + (row * blocks + b) * width
                        for c in 0..<width { out[c] += factor * values[c] }
                    }
                }
            }
        }
        guard rows.count != outer * width else { return whole }
        let part = Tensor(uninitialized: [m, rows.count])
        parallel(m, grain: 16) { items in
            for row in items {
                let from = whole.pointer + row * outer * width + rows.lowerBound
                (part.pointer + row * rows.count).update(from: from, count: rows.count)
            }
        }
        return part
    }

    /// Rows of factors that are made at once.
    private static let factorRows = 128

    /// (up1 down1) * (up2 down2) has rank r1 r2: its factors are the products of each column of one with each of the other
    /// (Khatri-Rao), of which some are made at a time.
    private func hadamard(
        _ x: Tensor, _ down1: Tensor, _ up1: Tensor, _ down2: Tensor, _ up2: Tensor,
        _ times: (Tensor, Weight) -> Tensor
    ) -> Tensor {
        let (r1, r2, inputs, outputs) = (down1.shape[0], down2.shape[0], down1.shape[1], up1.shape[0])
        let step = max(Self.factorRows / max(r2, 1), 1)
        var sum: Tensor?
        for first in stride(from: 0, to: r1, by: step) {
            let chunk = first..<min(first + step, r1)
            let rank = chunk.count * r2
            let down = Tensor(uninitialized: [rank, inputs])
            let up = Tensor(uninitialized: [outputs, rank])
            parallel(rank, grain: 1) { items in
                for row in items {
                    let a = down1.pointer + (chunk.lowerBound + row / r2) * inputs
                    let b = down2.pointer + row % r2 * inputs
                    let out = down.pointer + row * inputs
                    for i in 0..<inputs { out[i] = a[i] * b[i] }
                }
            }
            parallel(outputs, grain: 64) { items in
                for row in items {
                    for p in chunk {
                        let factor = up1.pointer[row * r1 + p]
                        let out = up.pointer + row * rank + (p - chunk.lowerBound) * r2
                        for q in 0..<r2 { out[q] = factor * up2.pointer[row * r2 + q] }
                    }
                }
            }
            let part = times(times(x, Weight(name: "down", down)), Weight(name: "up", up))
            sum = sum.map { add($0, part, scale: 1) } ?? part
        }
        return sum ?? Tensor(uninitialized: x.shape.dropLast() + [outputs])
    }
}
