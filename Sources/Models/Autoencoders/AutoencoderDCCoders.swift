import Tensor
import Weights

/// A picture of twice the sides: nearest neighbour and a convolution, plus the input's channels repeated and unfolded into squares.
package struct AutoencoderDCUp: Sendable {
    private let convolution: Convolution
    private let compute: Compute

    package init(_ reader: WeightReader, inputs: Int, outputs: Int, compute: Compute) throws(WeightError) {
        convolution = try reader.convolution("conv", inputs: inputs, outputs: outputs, kernel: [3, 3])
        self.compute = compute
    }

    /// x `[1, H, W, inputs]` -> `[1, 2 H, 2 W, outputs]`.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        let y = compute.convolve(x, convolution, ConvolutionPlan(padding: 1, upsample: 2))
        compute.addUnfolded(x, to: y, side: 2)
        return y
    }
}

/// A picture of half the sides: a convolution of stride 2, plus means of channels that squares of the input are folded into.
package struct AutoencoderDCDown: Sendable {
    private let convolution: Convolution
    private let shortcut: WanAverageDown
    private let compute: Compute

    package init(_ reader: WeightReader, inputs: Int, outputs: Int, compute: Compute) throws(WeightError) {
        convolution = try reader.convolution("conv", inputs: inputs, outputs: outputs, kernel: [3, 3])
        shortcut = WanAverageDown(inputs: inputs, outputs: outputs, frames: 1, side: 2)
        self.compute = compute
    }

    /// x `[1, H, W, inputs]` -> `[1, H / 2, W / 2, outputs]`.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        compute.convolve(x, convolution, ConvolutionPlan(stride: 2, padding: 1), addingTo: shortcut(x))
    }
}

extension AutoencoderDCConfig.Level {
    /// - Parameters:
    ///   - reader: of the level.
    ///   - first: the number of its first block there.
    fileprivate func blocks(
        _ reader: WeightReader, first: Int, count: Int, config: AutoencoderDCConfig, compute: Compute
    ) throws(WeightError) -> [any AutoencoderDCBlock] {
        var blocks: [any AutoencoderDCBlock] = []
        for index in first..<first + count {
            let block = reader.scope("\(index)")
            if attends {
                blocks.append(
                    try AutoencoderDCAttentionBlock(
                        block, channels: channels, scales: scales, config: config, compute: compute))
            } else {
                blocks.append(
                    try AutoencoderDCResidualBlock(block, channels: channels, config: config, compute: compute))
            }
        }
        return blocks
    }
}

/// Latents to a picture, from the innermost level outwards.
package struct AutoencoderDCDecoder: Sendable {
    private let convIn, convOut: Convolution
    private let levels: [(up: AutoencoderDCUp?, blocks: [any AutoencoderDCBlock])]
    private let normOut: CellNorm
    private let relu: ChannelScaling
    private let compute: Compute

    init(_ reader: WeightReader, config: AutoencoderDCConfig, compute: Compute) throws(WeightError) {
        self.compute = compute
        let decoder = reader.scope("decoder")
        let widths = config.levels.map(\.channels)
        convIn = try decoder.convolution(
            "conv_in", inputs: config.latentChannels, outputs: widths[widths.count - 1], kernel: [3, 3])
        var levels: [(AutoencoderDCUp?, [any AutoencoderDCBlock])] = []
        for index in widths.indices.reversed() {
            let level = config.levels[index]
            let scope = decoder.scope("up_blocks", index)
            let isInnermost = index == widths.count - 1
            levels.append(
                (
                    isInnermost
                        ? nil
                        : try AutoencoderDCUp(
                            scope.scope("0"), inputs: widths[index + 1], outputs: level.channels, compute: compute),
                    try level.blocks(
                        scope, first: isInnermost ? 0 : 1, count: level.decoderBlocks, config: config,
                        compute: compute)
                ))
        }
        self.levels = levels
        normOut = try CellNorm(decoder, "norm_out", channels: widths[0], config: config, compute: compute)
        relu = .activation(.relu, channels: widths[0])
        convOut = try decoder.convolution("conv_out", inputs: widths[0], outputs: 3, kernel: [3, 3])
    }

    /// z `[1, h, w, C]` of the autoencoder's own scale -> the picture `[1, H, W, 3]`, not clamped.
    /// - Parameter interrupt: called before each block; throwing ends the decode.
    package func picture(of z: Tensor, interrupt: () throws -> Void = {}) throws -> Tensor {
        let plan = ConvolutionPlan(padding: 1)
        var x = compute.convolve(z, convIn, plan)
        compute.addUnfolded(z, to: x, side: 1)
        for level in levels {
            if let up = level.up {
                try interrupt()
                x = up(x)
            }
            for block in level.blocks {
                try interrupt()
                x = block(consume x)
            }
        }
        try interrupt()
        x = normOut(x)
        return compute.convolve(x, convOut, plan, scaling: relu)
    }
}

/// A picture to its latents, from the outermost level inwards. Nothing is drawn: there is no distribution.
package struct AutoencoderDCEncoder: Sendable {
    private let convIn, convOut: Convolution
    private let levels: [(blocks: [any AutoencoderDCBlock], down: AutoencoderDCDown?)]
    private let shortcut: WanAverageDown
    private let compute: Compute

    init(_ reader: WeightReader, config: AutoencoderDCConfig, compute: Compute) throws(WeightError) {
        self.compute = compute
        let encoder = reader.scope("encoder")
        let widths = config.levels.map(\.channels)
        let last = widths[widths.count - 1]
        convIn = try encoder.convolution("conv_in", inputs: 3, outputs: widths[0], kernel: [3, 3])
        var levels: [([any AutoencoderDCBlock], AutoencoderDCDown?)] = []
        for (index, level) in config.levels.enumerated() {
            let scope = encoder.scope("down_blocks", index)
            levels.append(
                (
                    try level.blocks(scope, first: 0, count: level.encoderBlocks, config: config, compute: compute),
                    index == widths.count - 1
                        ? nil
                        : try AutoencoderDCDown(
                            scope.scope("\(level.encoderBlocks)"), inputs: level.channels, outputs: widths[index + 1],
                            compute: compute)
                ))
        }
        self.levels = levels
        convOut = try encoder.convolution("conv_out", inputs: last, outputs: config.latentChannels, kernel: [3, 3])
        shortcut = WanAverageDown(inputs: last, outputs: config.latentChannels, frames: 1, side: 1)
    }

    /// x `[1, H, W, 3]` in [-1, 1] -> `[1, h, w, C]` of the autoencoder's own scale.
    /// - Parameter interrupt: called before each block; throwing ends the encode.
    package func latent(of x: Tensor, interrupt: () throws -> Void = {}) throws -> Tensor {
        let plan = ConvolutionPlan(padding: 1)
        var x = compute.convolve(x, convIn, plan)
        for level in levels {
            for block in level.blocks {
                try interrupt()
                x = block(consume x)
            }
            if let down = level.down {
                try interrupt()
                x = down(x)
            }
        }
        return compute.convolve(x, convOut, plan, addingTo: shortcut(x))
    }
}
