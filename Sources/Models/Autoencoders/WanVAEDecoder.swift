import Tensor
import Weights

/// Latents to frames: conv_in, middle, levels of residual blocks with an upsampler after all but the last, conv_out. In the
/// residual VAE each of these levels has a shortcut around it.
package struct WanVAEDecoder: Sendable {
    package struct Level: Sendable {
        package let resnets: [WanResidualBlock]
        package let upsample: WanUpsample?
        let shortcut: WanDuplicateUp?

        /// - Parameter interrupt: called before each residual block.
        package func callAsFunction(
            _ x: Tensor, _ history: inout CausalHistory, interrupt: () throws -> Void = {}
        ) rethrows -> Tensor {
            var y = x
            try apply(to: &y, &history, interrupt: interrupt)
            return y
        }

        /// Puts the result in place of `x`, whose memory is free after the first block unless a shortcut reads it.
        func apply(to x: inout Tensor, _ history: inout CausalHistory, interrupt: () throws -> Void) rethrows {
            let input = shortcut == nil ? nil : x
            for resnet in resnets {
                try interrupt()
                x = resnet(x, &history)
            }
            try interrupt()
            if let upsample { x = upsample(x, &history) }
            if let shortcut, let input { shortcut.add(input, to: x) }
        }
    }

    private let patch: Int
    private let postQuant: Linear
    private let convIn, convOut: CausalConvolution
    package let middle: WanVAEMiddle
    package let levels: [Level]
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
            // The upsampler before has halved the channels, but not in the residual VAE.
            var inputs = level == 0 || config.isResidual ? widths[level] : widths[level] / 2
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
            var shortcut: WanDuplicateUp?
            if level < widths.count - 2 {
                let temporal = config.temporalDownsample[config.temporalDownsample.count - 1 - level]
                upsample = try WanUpsample(
                    config.isResidual ? scope.scope("upsampler") : scope.scope("upsamplers", 0), channels: outputs,
                    outputs: config.isResidual ? outputs : outputs / 2, temporal: temporal, slots: &slots,
                    compute: compute)
                if config.isResidual {
                    shortcut = WanDuplicateUp(frames: temporal ? 2 : 1, side: 2, compute: compute)
                }
            }
            levels.append(Level(resnets: resnets, upsample: upsample, shortcut: shortcut))
        }
        self.levels = levels
        let last = widths[widths.count - 1]
        normOut = try decoder.vector("norm_out.gamma", [last, 1, 1, 1])
        convOut = try CausalConvolution(
            decoder, "conv_out", inputs: last, outputs: config.outChannels, slots: &slots, compute: compute)
    }

    /// The next latent frame `[1, H, W, z]` of a pass -> its frames `[T, H', W', 3]`, not clamped.
    /// - Parameter interrupt: called before each residual block; throwing ends the pass, whose history is then of no use.
    package func next(
        _ latent: Tensor, _ history: inout CausalHistory, interrupt: () throws -> Void = {}
    ) rethrows -> Tensor {
        var x = convIn(compute.linear(latent, postQuant), &history)
        try interrupt()
        x = middle(x, &history)
        for level in levels { try level.apply(to: &x, &history, interrupt: interrupt) }
        try interrupt()
        x = convOut(compute.channelNorm(x, gamma: normOut, silu: true), &history)
        return unfoldedPixels(x, patch: patch)
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
