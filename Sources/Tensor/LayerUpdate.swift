/// An update of a layer: W += scale * delta. A linear layer's stays beside its weight, with a delta that is never made whole but
/// multiplied with the input factor by factor; a convolution's is added to its packed weight if it is not of low rank.
package struct LayerUpdate: Sendable {
    package indirect enum Form: Sendable {
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
        /// The delta of a form whose factor (LoHa: both factors) at the inputs is a product with a core: where the form has
        /// `[r', channels]`, a core `[r, r', cells]` makes `[r, channels * cells]` of it (Tucker's form of a convolution).
        case tucker(cores: [Weight], Form)
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

    /// The inputs and outputs of the layer that it fits. A convolution has `in * kernel` inputs.
    package var inputs: Int { form.inputs }

    package var outputs: Int { rows?.count ?? form.outputs }

    /// The number that tools call rank or dimension of the factors; nil where there is none.
    package var rank: Int? { form.rank }

    /// What each pass reads of files.
    package var weights: [Weight] { form.weights }

    package func scaled(by factor: Float) -> LayerUpdate { LayerUpdate(form, scale: scale * factor, rows: rows) }

    /// The part of the update that belongs to these outputs.
    /// - Precondition: they are among `outputs`.
    package func slice(_ part: Range<Int>) -> LayerUpdate {
        if let form = form.slice(part) { return LayerUpdate(form, scale: scale) }
        let first = firstRow
        return LayerUpdate(form, scale: scale, rows: first + part.lowerBound..<first + part.upperBound)
    }

    /// The same update without cores: each is multiplied with its factor.
    package func expanded() -> LayerUpdate { LayerUpdate(form.expanded(), scale: scale, rows: rows) }

    /// The first row of the Kronecker product that the layer has.
    var firstRow: Int { rows?.lowerBound ?? 0 }
}

extension LayerUpdate.Form {
    fileprivate var inputs: Int {
        switch self {
        case .lowRank(let down, _): down.shape[1]
        case .kronecker(let left, let right): left.shape[1] * (right.last?.shape[1] ?? 0)
        case .hadamard(let down1, _, _, _): down1.shape[1]
        case .whole(let delta): delta.shape[1]
        case .tucker(let cores, let form): form.inputs * (cores.first?.shape[2] ?? 0)
        }
    }

    fileprivate var outputs: Int {
        switch self {
        case .lowRank(_, let up): up.shape[0]
        case .kronecker(let left, let right): left.shape[0] * (right.first?.shape[0] ?? 0)
        case .hadamard(_, let up1, _, _): up1.shape[0]
        case .whole(let delta): delta.shape[0]
        case .tucker(_, let form): form.outputs
        }
    }

    fileprivate var rank: Int? {
        switch self {
        case .lowRank(let down, _): down.shape[0]
        case .kronecker(_, let right): right.count > 1 ? right[0].shape[1] : nil
        case .hadamard(let down1, _, _, _): down1.shape[0]
        case .whole: nil
        case .tucker(_, let form): form.rank
        }
    }

    fileprivate var weights: [Weight] {
        switch self {
        case .lowRank(let down, let up): [down, up]
        case .kronecker(_, let right): right
        case .hadamard(let down1, let up1, let down2, let up2): [down1, up1, down2, up2]
        case .whole(let delta): [delta]
        case .tucker(let cores, let form): cores + form.weights
        }
    }

    /// Nil for a Kronecker product, of which all factors are needed for any rows.
    fileprivate func slice(_ part: Range<Int>) -> Self? {
        switch self {
        case .lowRank(let down, let up): .lowRank(down: down, up: up.slice(part))
        case .kronecker: nil
        case .hadamard(let down1, let up1, let down2, let up2):
            .hadamard(down1: down1, up1: up1.slice(part), down2: down2, up2: up2.slice(part))
        case .whole(let delta): .whole(delta.slice(part))
        case .tucker(let cores, let form): form.slice(part).map { .tucker(cores: cores, $0) }
        }
    }

    fileprivate func expanded() -> Self {
        guard case .tucker(let cores, let form) = self else { return self }
        switch form {
        case .lowRank(let down, let up): return .lowRank(down: Self.product(cores[0], down), up: up)
        case .kronecker(let left, let right):
            return .kronecker(left: left, right: right.dropLast() + [Self.product(cores[0], right[right.count - 1])])
        case .hadamard(let down1, let up1, let down2, let up2):
            return .hadamard(
                down1: Self.product(cores[0], down1), up1: up1, down2: Self.product(cores[1], down2), up2: up2)
        case .whole, .tucker: preconditionFailure("cores of a form that has no factor at its inputs")
        }
    }

    /// sum over j of core[i, j, cell] down[j, channel]: `[r, r', cells]` and `[r', channels]` -> `[r, channels * cells]`.
    private static func product(_ core: Weight, _ down: Weight) -> Weight {
        let (rank, inner, cells, channels) = (core.shape[0], core.shape[1], core.shape[2], down.shape[1])
        let (core, factor) = (core.widened(), down.widened())
        let result = Tensor(shape: [rank, channels * cells]) { out in
            out.update(repeating: 0)
            core.withUnsafe { core in
                factor.withUnsafe { factor in
                    for i in 0..<rank {
                        for j in 0..<inner {
                            for channel in 0..<channels {
                                let value = factor[j * channels + channel]
                                let place = (i * channels + channel) * cells
                                for cell in 0..<cells {
                                    out[place + cell] += value * core[(i * inner + j) * cells + cell]
                                }
                            }
                        }
                    }
                }
            }
        }
        return Weight(name: down.name, result)
    }
}
