/// A linear layer y = x W^T + b with W stored `[out, in]`, and the low-rank adapters that ride on it.
package struct Linear: Sendable {
    package let weight: Weight
    package let bias: Tensor?
    package let adapters: [LowRank]

    package init(weight: Weight, bias: Tensor?, adapters: [LowRank] = []) {
        self.weight = weight
        self.bias = bias
        self.adapters = adapters
    }

    package var outputs: Int { weight.shape[0] }
    package var inputs: Int { weight.shape[1] }

    /// The weight with its adapters added, float32 `[out, in]`: W + sum of scale * up * down.
    package func merged(on compute: Compute) -> Tensor {
        adapters.reduce(weight.widened()) { sum, adapter in
            // up [out, r] times down [r, in]: as x W^T with x = up and W = down transposed.
            let down = Linear(weight: Weight(name: weight.name, transposed(adapter.down.widened())), bias: nil)
            return compute.add(sum, compute.linear(adapter.up.widened(), down), scale: adapter.scale)
        }
    }

    private func transposed(_ matrix: Tensor) -> Tensor {
        let (rows, columns) = (matrix.shape[0], matrix.shape[1])
        let result = Tensor(uninitialized: [columns, rows])
        for row in 0..<rows {
            for column in 0..<columns { result.pointer[column * rows + row] = matrix.pointer[row * columns + column] }
        }
        return result
    }
}

/// A low-rank update of a linear layer: W += scale * up * down, `down [r, in]`, `up [out, r]` (LoRA, arXiv 2106.09685).
package struct LowRank: Sendable {
    package let down: Weight
    package let up: Weight
    /// Strength times alpha / rank.
    package let scale: Float

    package init(down: Weight, up: Weight, scale: Float) {
        self.down = down
        self.up = up
        self.scale = scale
    }
}
