import Tensor
import Weights

/// Frames to latents: a convolution, levels that put neighbouring frames together and halve the sides before three remembering
/// blocks, a convolution to the latent.
package struct TAEHVEncoder: Sendable {
    private struct Level {
        /// 1x1 over `pooled` neighbouring frames as channels, the first one first.
        let pool: Linear
        let pooled: Int
        /// Stride 2.
        let convolution: Convolution
        let blocks: [TAEHVBlock]
    }

    private let stem, head: Convolution
    private let levels: [Level]
    private let patch: Int
    private let compute: Compute

    init(_ reader: WeightReader, config: TAEHVConfig, pooling: [Int], compute: Compute) throws(WeightError) {
        (self.compute, patch) = (compute, config.patch)
        let encoder = reader.scope("encoder")
        let width = config.encoderWidth
        stem = try encoder.convolution("0", inputs: 3 * patch * patch, outputs: width, kernel: [3, 3])
        var slots = SlotCounter()
        var levels: [Level] = []
        for (level, pooled) in pooling.enumerated() {
            let first = TAEHVConfig.encoderPool(of: level)
            var blocks: [TAEHVBlock] = []
            for index in first + 2..<first + 2 + TAEHVConfig.blocks {
                blocks.append(
                    try TAEHVBlock(
                        encoder.scope("\(index)"), width: width, isWide: false, slots: &slots, compute: compute))
            }
            levels.append(
                Level(
                    pool: try encoder.product("\(first).conv", inputs: pooled * width, outputs: width), pooled: pooled,
                    convolution: try encoder.convolution(
                        "\(first + 1)", inputs: width, outputs: width, kernel: [3, 3], bias: false), blocks: blocks))
        }
        self.levels = levels
        head = try encoder.convolution("17", inputs: width, outputs: config.channels, kernel: [3, 3])
    }

    /// The next frames `[T, H, W, 3]` in [0, 1] of a pass, as many as make one latent frame -> `[1, h, w, C]`.
    /// - Parameter interrupt: called before each block.
    func next(
        _ frames: Tensor, _ history: inout CausalHistory, interrupt: () throws -> Void
    ) rethrows -> Tensor {
        let plan = ConvolutionPlan(padding: 1)
        let pixels = patch > 1 ? compute.fold(frames, by: patch) : frames
        var x = compute.activate(compute.convolve(pixels, stem, plan), .relu)
        for level in levels {
            x = compute.convolve(
                pooled(x, level.pool, by: level.pooled), level.convolution, ConvolutionPlan(stride: 2, padding: 1))
            for block in level.blocks {
                try interrupt()
                x = block(x, &history)
            }
        }
        return compute.convolve(x, head, plan)
    }

    /// Frames `[T, H, W, C]` -> `[T / count, H, W, C]`.
    private func pooled(_ x: Tensor, _ product: Linear, by count: Int) -> Tensor {
        guard count > 1 else { return compute.linear(x, product) }
        let groups = stride(from: 0, to: x.shape[0], by: count).map { first in
            (first + 1..<first + count).reduce(x.slice(first..<first + 1)) { joined, frame in
                compute.beside(joined, x.slice(frame..<frame + 1))
            }
        }
        return compute.linear(Tensor.concatenate(groups), product)
    }

    /// The first pooling alone, which the verifier checks: frames `[T, H, W, C]` -> `[T / k, H, W, C]`.
    func firstPool(_ x: Tensor) -> Tensor { pooled(x, levels[0].pool, by: levels[0].pooled) }
}
