/// A linear layer: weights `[out, in]` where they lie, a bias, and updates that stay beside them.
package struct Linear: Sendable {
    package let weight: Weight
    package let bias: Tensor?
    package let adapters: [LayerUpdate]

    package init(weight: Weight, bias: Tensor?, adapters: [LayerUpdate] = []) {
        self.weight = weight
        self.bias = bias
        self.adapters = adapters
    }

    package var outputs: Int { weight.shape[0] }
    package var inputs: Int { weight.shape[1] }

    /// The part that gives these outputs, where it lies.
    package func slice(_ rows: Range<Int>) -> Linear {
        Linear(weight: weight.slice(rows), bias: bias?.slice(rows), adapters: adapters.map { $0.slice(rows) })
    }

    /// The weight with its adapters added, float32 `[out, in]`: W + sum of scale * delta.
    package func merged(on compute: Compute) -> Tensor {
        let sum = weight.widened()
        for adapter in adapters { compute.merge(adapter, into: sum) }
        return sum
    }
}
