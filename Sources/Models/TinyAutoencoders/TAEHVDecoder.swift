import Tensor
import Weights

/// Latents to frames: a convolution, levels of three remembering blocks that double the sides and may double the frames, a
/// convolution to the pixels. The wide variant (taew2_2_super) has other blocks, and doubles the sides by unfolding channels.
package struct TAEHVDecoder: Sendable {
    package struct Level: Sendable {
        package let blocks: [TAEHVBlock]
        package let grow: TAEHVGrow
        /// The convolution to the next level's width, and to four times as many channels in the wide variant.
        let convolution: Convolution
    }

    package let levels: [Level]
    package let isWide: Bool
    /// Pixels along a side that the last convolution gives as channels.
    let patch: Int
    private let stem: Stem
    private let head: Convolution
    /// The activation before the head; nil in the wide variant.
    private let relu: ChannelScaling?
    private let compute: Compute

    private enum Stem {
        case convolution(Convolution)
        case product(Linear)
    }

    /// How much a decode grows: frames and sides, level by level.
    package struct Growth: Sendable, Equatable {
        package var frames: [Int]
        /// 1 or 2, and 2 always in the wide variant.
        package var sides: [Int]

        /// Frames that are made of a latent frame.
        var product: Int { frames.reduce(1, *) }
    }

    init(_ reader: WeightReader, config: TAEHVConfig, compute: Compute) throws(WeightError) {
        (self.compute, isWide, patch) = (compute, config.isWide, config.patch)
        let decoder = reader.scope("decoder")
        let widths = config.decoderWidths
        stem =
            isWide
            ? .product(try decoder.product("0", inputs: config.channels, outputs: widths[0]))
            : .convolution(
                try decoder.convolution("1", inputs: config.channels, outputs: widths[0], kernel: [3, 3]))
        var slots = SlotCounter()
        var levels: [Level] = []
        for (level, frames) in config.decoderGrowth.enumerated() {
            let numbers = TAEHVConfig.Numbers(level: level, isWide: isWide)
            var blocks: [TAEHVBlock] = []
            for index in numbers.firstBlock..<numbers.firstBlock + TAEHVConfig.blocks {
                blocks.append(
                    try TAEHVBlock(
                        decoder.scope("\(index)"), width: widths[level], isWide: isWide, slots: &slots,
                        compute: compute))
            }
            let next = widths[level + 1]
            levels.append(
                Level(
                    blocks: blocks,
                    grow: try TAEHVGrow(
                        decoder, "\(numbers.grow).conv", width: isWide ? next : widths[level],
                        frames: frames),
                    convolution: try decoder.convolution(
                        "\(numbers.convolution)", inputs: widths[level],
                        outputs: isWide ? 4 * next : next, kernel: [3, 3], bias: isWide)))
        }
        self.levels = levels
        let last = widths[levels.count]
        head = try decoder.convolution("22", inputs: last, outputs: 3 * patch * patch, kernel: [3, 3])
        relu = isWide ? nil : ChannelScaling(.relu, channels: last)
    }

    package var growth: Growth {
        Growth(frames: levels.map(\.grow.parts.count), sides: levels.map { _ in 2 })
    }

    /// The next latent frame `[1, h, w, C]` of a pass; hands on its frames `[1, H, W, 3]` in [0, 1], not clamped.
    /// - Parameters:
    ///   - dropped: of these frames, the first that are not wanted and need not be finished.
    ///   - interrupt: called before each block; throwing ends the pass, whose history is then of no use.
    func next(
        _ latent: Tensor, _ history: inout CausalHistory, growth: Growth, dropped: Int, interrupt: () throws -> Void,
        onFrame: (Tensor) throws -> Void
    ) throws {
        var x =
            switch stem {
            case .convolution(let stem):
                compute.activate(compute.convolve(latent, stem, ConvolutionPlan(padding: 1)), .relu)
            case .product(let stem): compute.linear(latent, stem)
            }
        for (index, level) in levels.enumerated() {
            for block in level.blocks {
                try interrupt()
                x = block(x, &history)
            }
            let frames = growth.frames[index]
            let count = x.shape[0] * frames
            func grown(_ number: Int) -> Tensor {
                let frame = number / frames
                return self.grown(
                    x.slice(frame..<frame + 1), part: level.grow.parts.count - frames + number % frames, of: level,
                    side: growth.sides[index])
            }
            if index < levels.count - 1 {
                x = count == 1 ? grown(0) : Tensor.concatenate((0..<count).map(grown))
            } else {
                for number in 0..<count where number >= dropped {
                    try interrupt()
                    let pixels = compute.convolve(grown(number), head, ConvolutionPlan(padding: 1), scaling: relu)
                    try onFrame(patch > 1 ? compute.unfold(pixels, by: patch) : pixels)
                }
            }
        }
    }

    /// One of the frames that a level makes of x `[1, H, W, C]`, at the next level's size and width.
    private func grown(_ x: Tensor, part: Int, of level: Level, side: Int) -> Tensor {
        guard isWide else {
            // The product sees places one by one: before the enlargement it is a quarter of the work.
            return compute.convolve(
                compute.linear(x, level.grow.parts[part]), level.convolution,
                ConvolutionPlan(padding: 1, upsample: side))
        }
        let folded = compute.activate(compute.convolve(x, level.convolution, ConvolutionPlan(padding: 1)), .relu)
        return compute.linear(compute.unfold(folded, by: 2), level.grow.parts[part])
    }
}
