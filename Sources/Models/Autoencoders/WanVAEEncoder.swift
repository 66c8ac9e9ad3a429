import Tensor
import Weights

/// Frames to the moments of latents: conv_in, levels of residual blocks with a resampler after all but the last, middle,
/// conv_out. In the residual VAE each of these levels has a shortcut around it.
package struct WanVAEEncoder: Sendable {
    package struct Level: Sendable {
        let resnets: [WanResidualBlock]
        package let downsample: WanDownsample?
        let shortcut: WanAverageDown?
        /// The chunks after the first, counted from 1, of a pass that sees grey from the second chunk on, in which this
        /// level's output still depends on the first: from the next chunk on it is the same in each.
        let settlesAfter: Int
        fileprivate let compute: Compute

        package func callAsFunction(_ x: Tensor, _ history: inout CausalHistory) -> Tensor {
            var y = x
            for resnet in resnets { y = resnet(y, &history) }
            if let downsample { y = downsample(y, &history) }
            return shortcut.map { compute.add(y, $0(x)) } ?? y
        }
    }

    private let config: WanVAEConfig
    private let quant: Linear
    private let convIn, convOut: CausalConvolution
    package let levels: [Level]
    private let middle: WanVAEMiddle
    private let normOut: Tensor
    private let compute: Compute

    init(_ reader: WeightReader, config: WanVAEConfig, compute: Compute) throws(WeightError) {
        let z = config.zDim
        self.config = config
        self.compute = compute
        quant = try reader.linear(
            "quant_conv", inputs: 2 * z, outputs: 2 * z, storedShape: [2 * z, 2 * z, 1, 1, 1])
        let encoder = reader.scope("encoder")
        var slots = SlotCounter()
        let widths = ([1] + config.dimMult).map { $0 * config.baseDim }
        convIn = try CausalConvolution(
            encoder, "conv_in", inputs: config.inChannels, outputs: widths[0], slots: &slots, compute: compute)
        var levels: [Level] = []
        var reach = GreyReach(framesPerChunk: config.temporalFactor)
        reach.convolve(1)
        // The published VAE of 16 channels has one flat list of blocks.
        var index = 0
        func next(_ level: Int, _ name: String) -> WeightReader {
            defer { index += 1 }
            return config.isResidual
                ? encoder.scope("down_blocks", level).scope(name) : encoder.scope("down_blocks", index)
        }
        for level in 0..<config.dimMult.count {
            let outputs = widths[level + 1]
            var resnets: [WanResidualBlock] = []
            for block in 0..<config.resBlocks {
                resnets.append(
                    try WanResidualBlock(
                        next(level, "resnets.\(block)"), inputs: block == 0 ? widths[level] : outputs,
                        outputs: outputs, slots: &slots, compute: compute))
            }
            reach.convolve(2 * config.resBlocks)
            let isLast = level == config.dimMult.count - 1
            let temporal = isLast ? false : config.temporalDownsample[level]
            let downsample =
                isLast
                ? nil
                : try WanDownsample(
                    next(level, "downsampler"), channels: outputs, temporal: temporal, slots: &slots,
                    compute: compute)
            if temporal { reach.halve() }
            let shortcut =
                config.isResidual
                ? WanAverageDown(
                    inputs: widths[level], outputs: outputs, frames: temporal ? 2 : 1, side: isLast ? 1 : 2) : nil
            levels.append(
                Level(
                    resnets: resnets, downsample: downsample, shortcut: shortcut, settlesAfter: reach.chunks,
                    compute: compute))
        }
        self.levels = levels
        let last = widths[widths.count - 1]
        middle = try WanVAEMiddle(encoder.scope("mid_block"), channels: last, slots: &slots, compute: compute)
        normOut = try encoder.vector("norm_out.gamma", [last, 1, 1, 1])
        convOut = try CausalConvolution(
            encoder, "conv_out", inputs: last, outputs: 2 * z, slots: &slots, compute: compute)
    }

    /// A pass through a video, chunk by chunk: frame 0 alone, then chunks of the temporal factor.
    package struct Pass {
        package var history = CausalHistory()
        /// Grey chunks after the first chunk, without another between.
        private var greys = 0
        /// The deepest level whose output no longer changes while grey comes, and that output.
        private var settled: (level: Int, output: Tensor)?

        package init() {}

        /// The next chunk `[T, H, W, 3]` in [-1, 1] -> moments `[1, H', W', 2 z]`.
        /// - Parameter interrupt: called before each level.
        package mutating func next(
            _ frames: Tensor, of encoder: WanVAEEncoder, interrupt: () throws -> Void = {}
        ) rethrows -> Tensor {
            // Whatever comes next has seen something else than grey.
            greys = .min
            settled = nil
            return try after(0, encoder.convolvedIn(frames, &history), encoder, interrupt)
        }

        /// The first chunk, a frame `[1, H, W, 3]`.
        package mutating func first(
            _ frame: Tensor, of encoder: WanVAEEncoder, interrupt: () throws -> Void = {}
        ) rethrows -> Tensor {
            defer { greys = 0 }
            return try next(frame, of: encoder, interrupt: interrupt)
        }

        /// The next chunk, which is grey (0) in all pixels of H rows and W columns: the same as `next` of such a chunk.
        /// Levels whose output has settled are not computed again.
        package mutating func grey(
            rows: Int, columns: Int, of encoder: WanVAEEncoder, interrupt: () throws -> Void = {}
        ) rethrows -> Tensor {
            if greys >= 0 { greys += 1 }
            if let settled {
                return try after(settled.level + 1, settled.output, encoder, interrupt)
            }
            let frames = Tensor(zeros: [encoder.config.temporalFactor, rows, columns, 3])
            return try after(0, encoder.convolvedIn(frames, &history), encoder, interrupt)
        }

        /// The levels from one on, and what follows them.
        private mutating func after(
            _ first: Int, _ x: Tensor, _ encoder: WanVAEEncoder, _ interrupt: () throws -> Void
        ) rethrows -> Tensor {
            var x = x
            for (index, level) in encoder.levels.enumerated().dropFirst(first) {
                try interrupt()
                x = level(x, &history)
                if greys > level.settlesAfter { settled = (index, x) }
            }
            try interrupt()
            return encoder.moments(x, &history)
        }
    }

    private func convolvedIn(_ frames: Tensor, _ history: inout CausalHistory) -> Tensor {
        convIn(foldedPixels(frames, patch: config.patch), &history)
    }

    private func moments(_ x: Tensor, _ history: inout CausalHistory) -> Tensor {
        let y = middle(x, &history)
        return compute.linear(convOut(compute.channelNorm(y, gamma: normOut, silu: true), &history), quant)
    }
}

/// How far the first frame of a pass reaches: the last frame, counted from 0, that depends on it.
private struct GreyReach {
    private var last = 0
    private var framesPerChunk: Int

    init(framesPerChunk: Int) {
        self.framesPerChunk = framesPerChunk
    }

    /// Convolutions over the present and two past frames.
    mutating func convolve(_ count: Int) { last += 2 * count }

    /// The time convolution of stride 2, whose frame j > 0 is made of the frames 2 j - 2, 2 j - 1 and 2 j.
    mutating func halve() {
        last = (last + 2) / 2
        framesPerChunk /= 2
    }

    /// The chunks after the first that it reaches.
    var chunks: Int { (last + framesPerChunk - 1) / framesPerChunk }
}
