import Tensor
import Weights

/// Frames to the moments of latents. `encoder.down_blocks` is one flat list: residual blocks, resampler, and again.
package struct WanVAEEncoder: Sendable {
    private enum Stage: Sendable {
        case resnet(WanResidualBlock)
        case downsample(WanDownsample)
    }

    private let patch: Int
    private let quant: Linear
    private let convIn, convOut: CausalConvolution
    private let stages: [Stage]
    private let middle: WanVAEMiddle
    private let normOut: Tensor
    private let compute: Compute

    init(_ reader: WeightReader, config: WanVAEConfig, compute: Compute) throws(WeightError) {
        let z = config.zDim
        self.compute = compute
        patch = config.patch
        quant = try reader.linear(
            "quant_conv", inputs: 2 * z, outputs: 2 * z, storedShape: [2 * z, 2 * z, 1, 1, 1])
        let encoder = reader.scope("encoder")
        var slots = SlotCounter()
        let widths = ([1] + config.dimMult).map { $0 * config.baseDim }
        convIn = try CausalConvolution(
            encoder, "conv_in", inputs: config.inChannels, outputs: widths[0], slots: &slots, compute: compute)
        var stages: [Stage] = []
        for level in 0..<widths.count - 1 {
            var inputs = widths[level]
            for _ in 0..<config.resBlocks {
                stages.append(
                    .resnet(
                        try WanResidualBlock(
                            encoder.scope("down_blocks", stages.count), inputs: inputs, outputs: widths[level + 1],
                            slots: &slots, compute: compute)))
                inputs = widths[level + 1]
            }
            guard level < widths.count - 2 else { continue }
            stages.append(
                .downsample(
                    try WanDownsample(
                        encoder.scope("down_blocks", stages.count), channels: widths[level + 1],
                        temporal: config.temporalDownsample[level], slots: &slots, compute: compute)))
        }
        self.stages = stages
        let last = widths[widths.count - 1]
        middle = try WanVAEMiddle(encoder.scope("mid_block"), channels: last, slots: &slots, compute: compute)
        normOut = try encoder.vector("norm_out.gamma", [last, 1, 1, 1])
        convOut = try CausalConvolution(
            encoder, "conv_out", inputs: last, outputs: 2 * z, slots: &slots, compute: compute)
    }

    /// The resamplers in order, which the verifier checks one by one.
    package var downsamplers: [WanDownsample] {
        stages.compactMap { if case .downsample(let stage) = $0 { stage } else { nil } }
    }

    /// The next chunk `[T, H, W, 3]` of a pass (frame 0 alone, then chunks of the temporal factor) -> `[1, H', W', 2 z]`.
    package func next(_ frames: Tensor, _ history: inout CausalHistory) -> Tensor {
        var x = convIn(folded(frames), &history)
        for stage in stages {
            switch stage {
            case .resnet(let block): x = block(x, &history)
            case .downsample(let block): x = block(x, &history)
            }
        }
        x = middle(x, &history)
        x = convOut(compute.channelNorm(x, gamma: normOut, silu: true), &history)
        return compute.linear(x, quant)
    }

    /// Pixels to channels, the inverse of the decoder's unfolding.
    private func folded(_ x: Tensor) -> Tensor {
        guard patch > 1 else { return x }
        let (frames, rows, columns) = (x.shape[0], x.shape[1] / patch, x.shape[2] / patch)
        let channels = 3 * patch * patch
        let out = Tensor(uninitialized: [frames, rows, columns, channels])
        x.withUnsafe { x in
            out.withUnsafeMutable { out in
                for row in 0..<frames * rows * patch {
                    for column in 0..<columns * patch {
                        let target = (row / patch * columns + column / patch) * channels
                        for colour in 0..<3 {
                            out[target + (colour * patch + column % patch) * patch + row % patch] =
                                x[(row * columns * patch + column) * 3 + colour]
                        }
                    }
                }
            }
        }
        return out
    }
}
