import CKernels
import COpenBLAS

/// What follows a matrix product before the result is stored.
package enum Activation: Sendable {
    case identity, silu, geluTanh

    var kernel: phasor_activation {
        switch self {
        case .identity: PHASOR_IDENTITY
        case .silu: PHASOR_SILU
        case .geluTanh: PHASOR_GELU_TANH
        }
    }
}

/// out = residual + gate * y. `gate` is `[groups, N]`; each of its rows serves `M / groups` consecutive rows of y.
package struct GatedResidual {
    let residual: Tensor
    let gate: Tensor?

    package init(_ residual: Tensor, gate: Tensor? = nil) {
        self.residual = residual
        self.gate = gate
    }
}

/// Every product is made of sgemm calls of this one shape (edges are padded), so that an output element is computed by
/// the same instructions whatever the batch, its place in it, or the number of threads.
private enum Tile {
    static let rows = 64
    static let columns = 128
    /// Rows that share one widened panel of weights in cache.
    static let rowBlock = 512
}

extension Compute {
    /// activation(x W^T + b) with adapters, optionally added to a residual: x `[M, K]` -> `[M, N]`, in float32.
    package func linear(
        _ x: Tensor, _ layer: Linear, activation: Activation = .identity, addingTo residual: GatedResidual? = nil
    ) -> Tensor {
        guard !layer.adapters.isEmpty else {
            return product(x, layer.weight, bias: layer.bias, activation: activation, residual: residual)
        }
        var sum = product(x, layer.weight, bias: layer.bias, activation: .identity, residual: nil)
        for adapter in layer.adapters {
            let low = product(x, adapter.down, bias: nil, activation: .identity, residual: nil)
            let high = product(low, adapter.up, bias: nil, activation: .identity, residual: nil)
            sum = add(sum, high, scale: adapter.scale)
        }
        return finish(sum, activation: activation, residual: residual)
    }

    private func product(
        _ x: Tensor, _ weight: Weight, bias: Tensor?, activation: Activation, residual: GatedResidual?
    ) -> Tensor {
        let (n, k) = (weight.shape[0], weight.shape[1])
        let m = x.count / k
        precondition(x.shape.last == k, "\(weight.name): input \(x.shape) does not fit \(weight.shape)")
        let out = Tensor(uninitialized: x.shape.dropLast() + [n])
        if precision == .bf16, let format = weight.type.format {
            multiply(
                x, weight, format, shape: (m, n, k), bias: bias, activation: activation, residual: residual, into: out)
            return out
        }
        let panels = (n + Tile.columns - 1) / Tile.columns
        let blocks = (m + Tile.rowBlock - 1) / Tile.rowBlock
        // Per worker: a panel of weights, a block of edge rows, the product.
        let perWorker = Tile.columns * k + Tile.rows * k + Tile.rows * Tile.columns
        let scratch = Tensor(uninitialized: [threads, perWorker])
        let groupRows = residual?.gate.map { m / max($0.count / n, 1) } ?? m

        parallel(panels * blocks) { item, worker in
            let (column, block) = (item / blocks * Tile.columns, item % blocks)
            let columns = min(Tile.columns, n - column)
            let panel = scratch.pointer + worker * perWorker
            let edge = panel + Tile.columns * k
            let tile = edge + Tile.rows * k

            var weights = UnsafePointer(panel)
            if weight.isAlignedFloat32, columns == Tile.columns, let base = weight.bytes.baseAddress {
                weights = base.assumingMemoryBound(to: Float.self) + column * k
            } else {
                weight.widen(column * k..<(column + columns) * k, into: panel)
                (panel + columns * k).update(repeating: 0, count: (Tile.columns - columns) * k)
            }

            let end = min(m, (block + 1) * Tile.rowBlock)
            for row in stride(from: block * Tile.rowBlock, to: end, by: Tile.rows) {
                let rows = min(Tile.rows, m - row)
                var inputs = UnsafePointer(x.pointer + row * k)
                if rows < Tile.rows {
                    edge.update(from: inputs, count: rows * k)
                    (edge + rows * k).update(repeating: 0, count: (Tile.rows - rows) * k)
                    inputs = UnsafePointer(edge)
                }
                cblas_sgemm(
                    CblasRowMajor, CblasNoTrans, CblasTrans, blasint(Tile.rows), blasint(Tile.columns), blasint(k), 1,
                    inputs, blasint(k), weights, blasint(k), 0, tile, blasint(Tile.columns))
                store(
                    tile, rows: row..<row + rows, columns: column..<column + columns, of: out, bias: bias,
                    activation: activation, residual: residual, groupRows: groupRows)
            }
        }
        return out
    }

    /// The product by our own kernels, with weights read where they lie.
    private func multiply(
        _ x: Tensor, _ weight: Weight, _ format: phasor_format, shape: (m: Int, n: Int, k: Int), bias: Tensor?,
        activation: Activation, residual: GatedResidual?, into out: Tensor
    ) {
        let gateRows = residual?.gate.map { shape.m / max($0.count / shape.n, 1) } ?? shape.m
        var work = phasor_gemm(
            m: shape.m, n: shape.n, k: shape.k, x: x.pointer, format: format, w: weight.bytes.baseAddress, scales: nil,
            scale_count: 0, bias: bias.map { UnsafePointer($0.pointer) }, activation: activation.kernel,
            residual: residual.map { UnsafePointer($0.residual.pointer) },
            gate: residual?.gate.map { UnsafePointer($0.pointer) }, gate_rows: gateRows, out: out.pointer)
        let scratch = Tensor(bytes: phasor_gemm_scratch(engine, &work, Int32(threads)))
        withPool { phasor_gemm_run($0, engine, &work, scratch.pointer) }
        withExtendedLifetime((x, weight, bias, residual, scratch)) {}
    }

    /// Writes one tile, in runs of rows that share a gate.
    private func store(
        _ tile: UnsafePointer<Float>, rows: Range<Int>, columns: Range<Int>, of out: Tensor, bias: Tensor?,
        activation: Activation, residual: GatedResidual?, groupRows: Int
    ) {
        let n = out.shape.last ?? 0
        var row = rows.lowerBound
        while row < rows.upperBound {
            let group = row / groupRows
            let count = min(rows.upperBound, (group + 1) * groupRows) - row
            let place = row * n + columns.lowerBound
            phasor_epilogue(
                tile + (row - rows.lowerBound) * Tile.columns, Tile.columns, count, columns.count,
                bias.map { UnsafePointer($0.pointer + columns.lowerBound) }, activation.kernel,
                residual.map { UnsafePointer($0.residual.pointer + place) }, n,
                residual?.gate.map { UnsafePointer($0.pointer + group * n + columns.lowerBound) }, out.pointer + place,
                n)
            row += count
        }
    }

    /// The activation and residual of a product that is already whole.
    private func finish(_ y: Tensor, activation: Activation, residual: GatedResidual?) -> Tensor {
        let n = y.shape.last ?? 1
        let m = y.count / max(n, 1)
        let groupRows = residual?.gate.map { m / max($0.count / n, 1) } ?? m
        let out = Tensor(uninitialized: y.shape)
        parallel(m, grain: 16) { rows in
            for row in rows {
                phasor_epilogue(
                    y.pointer + row * n, n, 1, n, nil, activation.kernel,
                    residual.map { UnsafePointer($0.residual.pointer + row * n) }, n,
                    residual?.gate.map { UnsafePointer($0.pointer + row / groupRows * n) }, out.pointer + row * n, n)
            }
        }
        return out
    }
}
