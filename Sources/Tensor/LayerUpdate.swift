/// An update of a linear layer that stays beside its weight: W += scale * delta, with a delta that is never made whole but
/// multiplied with the input factor by factor.
package struct LayerUpdate: Sendable {
    package enum Form: Sendable {
        /// delta = up down: `down [r, in]`, `up [out, r]` (LoRA, arXiv 2106.09685).
        case lowRank(down: Weight, up: Weight)
        /// delta = left (x) right: the block in row a, column b is left[a, b] right (LoKr, arXiv 2309.14859). `left` is small,
        /// `[a, b]`; `right [c, d]` is one matrix, or a product of several.
        case kronecker(left: Tensor, right: [Weight])
        /// delta = (up1 down1) * (up2 down2), element by element (LoHa, arXiv 2108.06098): `[r1, in]`, `[out, r1]`,
        /// `[r2, in]`, `[out, r2]`.
        case hadamard(down1: Weight, up1: Weight, down2: Weight, up2: Weight)
        /// delta itself, `[out, in]`.
        case whole(Weight)
    }

    package let form: Form
    package let scale: Float
    /// The rows of a Kronecker product that the layer has, where it is a part of the one that the product was made for.
    private let rows: Range<Int>?

    package init(_ form: Form, scale: Float) { self.init(form, scale: scale, rows: nil) }

    private init(_ form: Form, scale: Float, rows: Range<Int>?) {
        self.form = form
        self.scale = scale
        self.rows = rows
    }

    package init(down: Weight, up: Weight, scale: Float) { self.init(.lowRank(down: down, up: up), scale: scale) }

    /// The inputs and outputs of the layer that it fits.
    package var inputs: Int {
        switch form {
        case .lowRank(let down, _): down.shape[1]
        case .kronecker(let left, let right): left.shape[1] * (right.last?.shape[1] ?? 0)
        case .hadamard(let down1, _, _, _): down1.shape[1]
        case .whole(let delta): delta.shape[1]
        }
    }

    package var outputs: Int {
        switch form {
        case .lowRank(_, let up): up.shape[0]
        case .kronecker(let left, let right): rows?.count ?? left.shape[0] * (right.first?.shape[0] ?? 0)
        case .hadamard(_, let up1, _, _): up1.shape[0]
        case .whole(let delta): delta.shape[0]
        }
    }

    /// The number that tools call rank or dimension of the factors; nil where there is none.
    package var rank: Int? {
        switch form {
        case .lowRank(let down, _): down.shape[0]
        case .kronecker(_, let right): right.count > 1 ? right[0].shape[1] : nil
        case .hadamard(let down1, _, _, _): down1.shape[0]
        case .whole: nil
        }
    }

    /// What each pass reads of files.
    package var weights: [Weight] {
        switch form {
        case .lowRank(let down, let up): [down, up]
        case .kronecker(_, let right): right
        case .hadamard(let down1, let up1, let down2, let up2): [down1, up1, down2, up2]
        case .whole(let delta): [delta]
        }
    }

    package func scaled(by factor: Float) -> LayerUpdate { LayerUpdate(form, scale: scale * factor, rows: rows) }

    /// The part of the update that belongs to these outputs.
    /// - Precondition: they are among `outputs`.
    package func slice(_ part: Range<Int>) -> LayerUpdate {
        switch form {
        case .lowRank(let down, let up):
            LayerUpdate(.lowRank(down: down, up: up.slice(part)), scale: scale)
        case .kronecker:
            LayerUpdate(
                form, scale: scale,
                rows: (rows?.lowerBound ?? 0) + part.lowerBound..<(rows?.lowerBound ?? 0) + part.upperBound)
        case .hadamard(let down1, let up1, let down2, let up2):
            LayerUpdate(
                .hadamard(down1: down1, up1: up1.slice(part), down2: down2, up2: up2.slice(part)), scale: scale)
        case .whole(let delta): LayerUpdate(.whole(delta.slice(part)), scale: scale)
        }
    }

    /// delta as float32 `[out, in]`, without the scale.
    package func delta(on compute: Compute) -> Tensor {
        let unit = Tensor(uninitialized: [inputs, inputs])
        unit.withUnsafeMutable { unit in
            for index in unit.indices { unit[index] = index % (inputs + 1) == 0 ? 1 : 0 }
        }
        return transposed(compute.product(unit, self))
    }

    /// The first row of the Kronecker product that the layer has.
    var firstRow: Int { rows?.lowerBound ?? 0 }
}

/// A matrix with its rows as columns.
func transposed(_ matrix: Tensor) -> Tensor {
    let (rows, columns) = (matrix.shape[0], matrix.shape[1])
    let result = Tensor(uninitialized: [columns, rows])
    for row in 0..<rows {
        for column in 0..<columns { result.pointer[column * rows + row] = matrix.pointer[row * columns + column] }
    }
    return result
}
