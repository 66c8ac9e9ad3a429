import Tensor
import Weights

/// Latents to frames: conv_in, middle, levels of residual blocks with an upsampler after all but the last, conv_out.
package struct WanVAEDecoder: Sendable {
    private struct Level: Sendable {
        let resnets: [WanResidualBlock]
        let upsample: WanUpsample?
    }

    private let patch: Int
    private let postQuant: Linear
    private let convIn, convOut: CausalConvolution
    package let middle: WanVAEMiddle
    private let levels: [Level]
    private let normOut: Tensor
    private let compute: Compute

    init(_ reader: WeightReader, config: WanVAEConfig, compute: Compute) throws(WeightError) {
        let z = config.zDim
        self.compute = compute
        patch = config.patch
        postQuant = try reader.linear("post_quant_conv", inputs: z, outputs: z, storedShape: [z, z, 1, 1, 1])
        let decoder = reader.scope("decoder")
        var slots = SlotCounter()
        // Widths from the inside out; the innermost counts twice: once for the middle.
        let widths = ([config.dimMult[config.dimMult.count - 1]] + config.dimMult.reversed()).map {
            $0 * config.decoderBaseDim
        }
        convIn = try CausalConvolution(
            decoder, "conv_in", inputs: z, outputs: widths[0], slots: &slots, compute: compute)
        middle = try WanVAEMiddle(decoder.scope("mid_block"), channels: widths[0], slots: &slots, compute: compute)
        var levels: [Level] = []
        for level in 0..<widths.count - 1 {
            let scope = decoder.scope("up_blocks", level)
            // The upsampler before has halved the channels.
            var inputs = level == 0 ? widths[0] : widths[level] / 2
            let outputs = widths[level + 1]
            var resnets: [WanResidualBlock] = []
            for index in 0...config.resBlocks {
                resnets.append(
                    try WanResidualBlock(
                        scope.scope("resnets", index), inputs: inputs, outputs: outputs, slots: &slots,
                        compute: compute))
                inputs = outputs
            }
            var upsample: WanUpsample?
            if level < widths.count - 2 {
                let temporal = config.temporalDownsample[config.temporalDownsample.count - 1 - level]
                upsample = try WanUpsample(
                    scope.scope("upsamplers", 0), channels: outputs, temporal: temporal, slots: &slots,
                    compute: compute)
            }
            levels.append(Level(resnets: resnets, upsample: upsample))
        }
        self.levels = levels
        let last = widths[widths.count - 1]
        normOut = try decoder.vector("norm_out.gamma", [last, 1, 1, 1])
        convOut = try CausalConvolution(
            decoder, "conv_out", inputs: last, outputs: config.outChannels, slots: &slots, compute: compute)
    }

    /// Parts of a level, which the verifier checks one by one.
    package func firstResnet(level: Int) -> WanResidualBlock { levels[level].resnets[0] }
    package func upsample(level: Int) -> WanUpsample? { levels[level].upsample }
    package var levelCount: Int { levels.count }

    /// The next latent frame `[1, H, W, z]` of a pass -> its frames `[T, H', W', 3]`, not clamped.
    /// - Parameter interrupt: called before each residual block; throwing ends the pass, whose history is then of no use.
    package func next(
        _ latent: Tensor, _ history: inout CausalHistory, interrupt: () throws -> Void = {}
    ) rethrows -> Tensor {
        var x = convIn(compute.linear(latent, postQuant), &history)
        try interrupt()
        x = middle(x, &history)
        for level in levels {
            for resnet in level.resnets {
                try interrupt()
                x = resnet(x, &history)
            }
            try interrupt()
            if let upsample = level.upsample { x = upsample(x, &history) }
        }
        try interrupt()
        x = convOut(compute.channelNorm(x, gamma: normOut, silu: true), &history)
        return unfolded(x)
    }

    /// Channels to pixels: `[T, H, W, 3 p p]` -> `[T, H p, W p, 3]`; channel (c p + dx) p + dy.
    private func unfolded(_ x: Tensor) -> Tensor {
        guard patch > 1 else { return x }
        let (frames, rows, columns, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        return Tensor(shape: [frames, rows * patch, columns * patch, 3]) { out in
            x.withUnsafe { x in
                var target = 0
                for row in 0..<frames * rows {
                    for dy in 0..<patch {
                        for source in stride(from: row * columns, to: (row + 1) * columns, by: 1) {
                            for dx in 0..<patch {
                                for colour in 0..<3 {
                                    out[target] = x[source * channels + (colour * patch + dx) * patch + dy]
                                    target += 1
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Residual block, attention, residual block.
package struct WanVAEMiddle: Sendable {
    package let first, second: WanResidualBlock
    package let attention: WanVAEAttention

    init(
        _ reader: WeightReader, channels: Int, slots: inout SlotCounter, compute: Compute
    ) throws(WeightError) {
        first = try WanResidualBlock(
            reader.scope("resnets", 0), inputs: channels, outputs: channels, slots: &slots, compute: compute)
        attention = try WanVAEAttention(reader.scope("attentions", 0), channels: channels, compute: compute)
        second = try WanResidualBlock(
            reader.scope("resnets", 1), inputs: channels, outputs: channels, slots: &slots, compute: compute)
    }

    package func callAsFunction(_ x: Tensor, _ history: inout CausalHistory) -> Tensor {
        second(attention(first(x, &history)), &history)
    }
}
