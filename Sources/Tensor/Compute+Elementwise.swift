import CKernels

extension Compute {
    /// Elements of one work item in a purely elementwise operation.
    private static let grain = 1 << 15

    /// Elements of one item of a row-wise operation: a few microseconds, some of which even a small picture has.
    private static let rowGrain = 1 << 12

    /// Runs a row-wise kernel over `[rows, columns]`.
    private func overRows(_ x: Tensor, _ body: (_ first: Int, _ rows: Int, _ columns: Int) -> Void) {
        let columns = max(x.shape.last ?? 1, 1)
        parallel(x.count / columns, grain: max(1, Self.rowGrain / columns)) { rows in
            body(rows.lowerBound, rows.count, columns)
        }
    }

    /// a + scale * b.
    package func add(_ a: Tensor, _ b: Tensor, scale: Float = 1) -> Tensor {
        precondition(a.count == b.count, "cannot add \(a.shape) and \(b.shape)")
        let out = Tensor(uninitialized: a.shape)
        parallel(a.count, grain: Self.grain) { range in
            for index in range { out.pointer[index] = a.pointer[index] + scale * b.pointer[index] }
        }
        return out
    }

    /// The columns of matrices beside each other: `[n, a]`, `[n, b]`, ... -> `[n, a + b + ...]`.
    package func sideBySide(_ parts: [Tensor]) -> Tensor {
        let width = parts.reduce(0) { $0 + $1.shape[1] }
        let out = Tensor(uninitialized: [parts.first?.shape[0] ?? 0, width])
        overRows(out) { first, rows, columns in
            for row in first..<first + rows {
                var target = out.pointer + row * columns
                for part in parts {
                    let count = part.shape[1]
                    target.update(from: part.pointer + row * count, count: count)
                    target += count
                }
            }
        }
        return out
    }

    package func activate(_ x: Tensor, _ activation: Activation) -> Tensor {
        let out = Tensor(uninitialized: x.shape)
        parallel(x.count, grain: Self.grain) { range in
            phasor_activate(
                x.pointer + range.lowerBound, out.pointer + range.lowerBound, range.count, activation.kernel)
        }
        return out
    }

    /// activation(x) * y, the gated MLP.
    package func activate(_ x: Tensor, _ activation: Activation, times y: Tensor) -> Tensor {
        precondition(x.count == y.count, "cannot multiply \(x.shape) and \(y.shape)")
        let out = Tensor(uninitialized: x.shape)
        parallel(x.count, grain: Self.grain) { range in
            phasor_activate_multiply(
                x.pointer + range.lowerBound, y.pointer + range.lowerBound, out.pointer + range.lowerBound,
                range.count, activation.kernel)
        }
        return out
    }

    /// LayerNorm over the last axis of x `[..., C]`, with an affine `weight`, `bias` `[C]` or none.
    package func layerNorm(_ x: Tensor, weight: Tensor? = nil, bias: Tensor? = nil, eps: Float) -> Tensor {
        let out = Tensor(uninitialized: x.shape)
        overRows(x) { first, rows, columns in
            phasor_layer_norm(
                x.pointer + first * columns, out.pointer + first * columns, rows, columns, eps, weight?.pointer,
                bias?.pointer, nil, nil)
        }
        return out
    }

    /// LayerNorm without affine, then * (1 + scale) + shift. x is `[B * T, C]`; scale and shift are `[B, C]`, one row
    /// for each run of T rows of x.
    package func modulatedLayerNorm(_ x: Tensor, scale: Tensor, shift: Tensor, eps: Float) -> Tensor {
        let out = Tensor(uninitialized: x.shape)
        let columns = x.shape.last ?? 1
        let groupRows = x.count / columns / max(scale.count / columns, 1)
        overRows(x) { first, rows, columns in
            for row in first..<first + rows {
                let group = row / groupRows
                phasor_layer_norm(
                    x.pointer + row * columns, out.pointer + row * columns, 1, columns, eps, nil, nil,
                    scale.pointer + group * columns, shift.pointer + group * columns)
            }
        }
        return out
    }

    /// x / sqrt(mean(x^2) + eps) * weight + bias over the last axis, plus `residual`, which is like x.
    ///
    /// - Parameters:
    ///   - weight: `[C]`, or with `runs` `[runs.count, C]`.
    ///   - bias: `[C]` or none.
    ///   - runs: how many consecutive rows of x each row of `weight` serves.
    package func rmsNorm(
        _ x: Tensor, weight: Tensor, bias: Tensor? = nil, runs: [Int]? = nil, eps: Float,
        addingTo residual: Tensor? = nil
    ) -> Tensor {
        let out = Tensor(uninitialized: x.shape)
        let width = max(x.shape.last ?? 1, 1)
        let ends = (runs ?? [x.count / width]).reduce(into: []) { $0.append(($0.last ?? 0) + $1) }
        precondition(
            ends.last ?? 0 == x.count / width && weight.count == ends.count * width,
            "norm of \(x.shape) with weights \(weight.shape)")
        precondition(residual.map { $0.count == x.count } ?? true, "cannot add \(x.shape) to a residual")
        overRows(x) { first, rows, columns in
            var row = first
            for (run, end) in ends.enumerated() where row < end && row < first + rows {
                let count = min(end, first + rows) - row
                phasor_rms_norm(
                    x.pointer + row * columns, out.pointer + row * columns, count, columns, eps,
                    weight.pointer + run * columns, bias.map { UnsafePointer($0.pointer) },
                    residual.map { UnsafePointer($0.pointer + row * columns) })
                row += count
            }
        }
        withExtendedLifetime((bias, residual)) {}
        return out
    }

    /// x / max(|x|, 1e-12) * sqrt(C) * gamma over the last axis (the VAE's `WanRMS_norm`), then SiLU if asked.
    package func channelNorm(_ x: Tensor, gamma: Tensor, silu: Bool) -> Tensor {
        let out = Tensor(uninitialized: x.shape)
        overRows(x) { first, rows, columns in
            phasor_channel_norm(
                x.pointer + first * columns, out.pointer + first * columns, rows, columns, gamma.pointer,
                silu ? PHASOR_SILU : PHASOR_IDENTITY)
        }
        return out
    }

    /// Turns adjacent pairs of each head of x `[B * T, heads * D]` by the angles of `rope`, whose tables `[T, D / 2]`
    /// serve every batch entry.
    package func rotate(_ x: Tensor, by rope: RotaryTable, heads: Int) -> Tensor {
        let out = Tensor(uninitialized: x.shape)
        let tokens = rope.cosine.shape[0]
        let headDim = rope.cosine.shape[1] * 2
        overRows(x) { first, rows, columns in
            for row in first..<first + rows {
                let angle = row % tokens * (headDim / 2)
                phasor_rope_pairs(
                    x.pointer + row * columns, out.pointer + row * columns, 1, heads, headDim,
                    rope.cosine.pointer + angle, rope.sine.pointer + angle)
            }
        }
        return out
    }

    /// `rotate(rmsNorm(x, weight), by: rope)` of queries and keys, each `[B * T, heads * D]`, in one pass over both. The norm is
    /// over a row with a weight `[heads * D]`, over each head with a weight `[D]`.
    package func rotatedNorms(
        of xs: [Tensor], weights: [Tensor], eps: Float, by rope: RotaryTable, heads: Int
    ) -> [Tensor] {
        let outs = xs.map { Tensor(uninitialized: $0.shape) }
        let tokens = rope.cosine.shape[0]
        let headDim = rope.cosine.shape[1] * 2
        let columns = heads * headDim
        let rows = xs.map { $0.count / columns }
        precondition(
            rows.allSatisfy { $0 == rows[0] } && weights.allSatisfy { [columns, headDim].contains($0.count) },
            "queries and keys differ")
        let grain = max(1, Self.rowGrain / columns)
        let items = (rows[0] + grain - 1) / grain
        parallel(xs.count * items) { item, _ in
            let (index, first) = (item / items, item % items * grain)
            for row in first..<min(first + grain, rows[0]) {
                let angle = row % tokens * (headDim / 2)
                let width = weights[index].count
                for start in stride(from: row * columns, to: (row + 1) * columns, by: width) {
                    phasor_rms_rope_pairs(
                        xs[index].pointer + start, outs[index].pointer + start, width / headDim, headDim, eps,
                        weights[index].pointer, rope.cosine.pointer + angle, rope.sine.pointer + angle)
                }
            }
        }
        return outs
    }

    /// `rotate` with pairs of element j and element j + D / 2 of each head.
    package func rotateHalves(_ x: Tensor, by rope: RotaryTable, heads: Int) -> Tensor {
        let out = Tensor(uninitialized: x.shape)
        let (tokens, half) = (rope.cosine.shape[0], rope.cosine.shape[1])
        overRows(x) { first, rows, columns in
            for row in first..<first + rows {
                let angle = row % tokens * half
                let (cosine, sine) = (rope.cosine.pointer + angle, rope.sine.pointer + angle)
                for head in 0..<heads {
                    let a = x.pointer + row * columns + head * 2 * half
                    let result = out.pointer + row * columns + head * 2 * half
                    for pair in 0..<half {
                        result[pair] = a[pair] * cosine[pair] - a[pair + half] * sine[pair]
                        result[pair + half] = a[pair + half] * cosine[pair] + a[pair] * sine[pair]
                    }
                }
            }
        }
        return out
    }
}

/// Cosines and sines of rotary position angles, each `[tokens, head_dim / 2]`.
package struct RotaryTable: Sendable {
    package let cosine: Tensor
    package let sine: Tensor

    package init(cosine: Tensor, sine: Tensor) {
        self.cosine = cosine
        self.sine = sine
    }
}
