import CKernels
import COpenBLAS

/// Every product is made of sgemm calls of this one shape, edges padded, so that an output element is computed by the
/// same instructions whatever the batch, its place in it, or the number of threads.
private enum Tile {
    static let columns = 128
    /// Rows that share one widened panel of weights in cache.
    static let rowBlock = 512

    /// OpenBLAS computes rows in groups, and on some processors (Haswell) the rows of one group by different
    /// instructions. A tile has the most rows that this processor's kernel computes alike.
    static let rows = [64, 48, 16, 8, 4].first(where: areAlike) ?? 1

    /// Whether equal rows have equal products, wherever in the tile they stand.
    private static func areAlike(_ rows: Int) -> Bool {
        for inputs in [333, 1100] {
            let row = (0..<inputs).map { Float($0 * 7919 % 1009) / 1009 - 0.5 }
            let x = [[Float]](repeating: row, count: rows).flatMap(\.self)
            let panel = (0..<columns * inputs).map { Float($0 * 104_729 % 997) / 997 - 0.5 }
            var product = [Float](repeating: 0, count: rows * columns)
            multiply(x, panel, inputs: inputs, rows: rows, into: &product)
            let first = product[..<columns].map(\.bitPattern)
            for row in 1..<rows
            where !product[row * columns..<(row + 1) * columns].elementsEqual(first, by: { $0.bitPattern == $1 }) {
                return false
            }
        }
        return true
    }

    /// x `[rows, inputs]` times panel `[columns, inputs]` transposed.
    static func multiply(
        _ x: UnsafePointer<Float>, _ panel: UnsafePointer<Float>, inputs: Int, rows: Int = Tile.rows,
        into product: UnsafeMutablePointer<Float>
    ) {
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, blasint(rows), blasint(columns), blasint(inputs), 1, x,
            blasint(inputs), panel, blasint(inputs), 0, product, blasint(columns))
    }
}

extension Compute {
    /// x w^T by OpenBLAS, for processors that have no kernel of ours but the plain one: arm64, and x86 before AVX2.
    ///
    /// OpenBLAS is told to use one thread; the threads are those of the pool. Arguments as of `linear`.
    func blasProduct(
        _ x: Tensor, _ weight: Weight, bias: Tensor?, activation: Activation, residual: GatedResidual?
    ) -> Tensor {
        let (n, k) = (weight.shape[0], weight.shape[1])
        let m = x.count / max(k, 1)
        let out = Tensor(uninitialized: x.shape.dropLast() + [n])
        let panels = (n + Tile.columns - 1) / Tile.columns
        let blocks = (m + Tile.rowBlock - 1) / Tile.rowBlock
        // Per worker: a panel of weights, a tile of edge rows, the product.
        let perWorker = Tile.columns * k + Tile.rows * k + Tile.rows * Tile.columns
        let scratch = Tensor(uninitialized: [threads, perWorker])
        let groupRows = residual?.gate.map { max(m / max($0.count / max(n, 1), 1), 1) } ?? max(m, 1)

        parallel(panels * blocks) { item, worker in
            let (column, block) = (item / blocks * Tile.columns, item % blocks)
            let columns = min(Tile.columns, n - column)
            let panel = scratch.pointer + worker * perWorker
            let edge = panel + Tile.columns * k
            let tile = edge + Tile.rows * k
            weight.widen(column * k..<(column + columns) * k, into: panel)
            (panel + columns * k).update(repeating: 0, count: (Tile.columns - columns) * k)

            let end = min(m, (block + 1) * Tile.rowBlock)
            for row in stride(from: block * Tile.rowBlock, to: end, by: Tile.rows) {
                let rows = min(Tile.rows, m - row)
                edge.update(from: x.pointer + row * k, count: rows * k)
                (edge + rows * k).update(repeating: 0, count: (Tile.rows - rows) * k)
                Tile.multiply(edge, panel, inputs: k, into: tile)
                for index in row..<row + rows {
                    let place = index * n + column
                    phasor_epilogue(
                        tile + (index - row) * Tile.columns, Tile.columns, 1, columns,
                        bias.map { UnsafePointer($0.pointer + column) }, activation.kernel,
                        residual.map { UnsafePointer($0.residual.pointer + place) }, n,
                        residual?.gate.map { UnsafePointer($0.pointer + index / groupRows * n + column) },
                        out.pointer + place, n)
                }
            }
        }
        withExtendedLifetime((x, weight, bias, residual)) {}
        // In the tuple it would never be released (Swift 6.3).
        withExtendedLifetime(scratch) {}
        return out
    }
}
