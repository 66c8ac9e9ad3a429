import Tensor
import Weights

/// A level on the way down or up: residual blocks, each with a transformer behind it or none, and a convolution to the next
/// level's size in all but the last.
package struct SDXLLevel: Sendable {
    private let resnets: [SDXLResnet]
    /// One transformer for each residual block, or none.
    let transformers: [SDXLTransformer]
    private let sampler: Convolution?
    private let compute: Compute

    private static let half = ConvolutionPlan(stride: 2, padding: 1)

    /// - Parameter blocks: how many blocks of transformers come before; those of this level are added.
    package init(
        down reader: WeightReader, level: Int, blocks: inout Int, config: SDXLUNetConfig, compute: Compute
    ) throws(WeightError) {
        let width = config.channels[level]
        let before = config.channels[max(level - 1, 0)]
        let inputs = (0..<config.layersPerBlock).map { $0 == 0 ? before : width }
        try self.init(
            reader, level: level, inputs: inputs,
            sampler: level + 1 < config.channels.count ? "downsamplers.0.conv" : nil, blocks: &blocks, config: config,
            compute: compute)
    }

    /// The first of each block's inputs are the way's own, the others those that were kept on the way down.
    package init(
        up reader: WeightReader, level: Int, blocks: inout Int, config: SDXLUNetConfig, compute: Compute
    ) throws(WeightError) {
        let (channels, layers) = (config.channels, config.layersPerBlock)
        let inputs = (0...layers).map { layer in
            (layer == 0 ? channels[min(level + 1, channels.count - 1)] : channels[level])
                + (layer == layers ? channels[max(level - 1, 0)] : channels[level])
        }
        try self.init(
            reader, level: level, inputs: inputs, sampler: level > 0 ? "upsamplers.0.conv" : nil, blocks: &blocks,
            config: config, compute: compute)
    }

    private init(
        _ reader: WeightReader, level: Int, inputs: [Int], sampler: String?, blocks: inout Int,
        config: SDXLUNetConfig, compute: Compute
    ) throws(WeightError) {
        let width = config.channels[level]
        var resnets: [SDXLResnet] = []
        var transformers: [SDXLTransformer] = []
        for (index, inputs) in inputs.enumerated() {
            resnets.append(
                try SDXLResnet(
                    reader.scope("resnets", index), inputs: inputs, outputs: width, config: config, compute: compute))
            guard config.depths[level] > 0 else { continue }
            transformers.append(
                try SDXLTransformer(
                    reader.scope("attentions", index), level: level, first: blocks, config: config, compute: compute))
            blocks += config.depths[level]
        }
        self.resnets = resnets
        self.transformers = transformers
        if let sampler {
            self.sampler = try reader.convolution(sampler, inputs: width, outputs: width, kernel: [3, 3])
        } else {
            self.sampler = nil
        }
        self.compute = compute
    }

    /// x `[B, H, W, C]`; what each block and the convolution give is kept for the way up.
    package func down(
        _ x: Tensor, _ time: Tensor, _ contexts: [SDXLContext], skips: inout [Tensor], interrupt: () throws -> Void
    ) throws -> Tensor {
        var x = x
        for index in resnets.indices {
            x = try block(index, x, time, contexts, interrupt)
            skips.append(x)
        }
        if sampler != nil {
            try interrupt()
            x = halved(x)
            skips.append(x)
        }
        return x
    }

    /// x `[B, H, W, C]`; the last kept ones are used first.
    package func up(
        _ x: Tensor, _ time: Tensor, _ contexts: [SDXLContext], skips: inout [Tensor], interrupt: () throws -> Void
    ) throws -> Tensor {
        var x = x
        for index in resnets.indices {
            let skip = skips.removeLast()
            x = try block(index, Tensor.beside(x, skip), time, contexts, interrupt)
        }
        guard sampler != nil else { return x }
        try interrupt()
        return doubled(x, like: skips.last?.shape)
    }

    private func block(
        _ index: Int, _ x: Tensor, _ time: Tensor, _ contexts: [SDXLContext], _ interrupt: () throws -> Void
    ) throws -> Tensor {
        try interrupt()
        let y = resnets[index].forward(x, time: time)
        guard transformers.indices.contains(index) else { return y }
        try interrupt()
        return transformers[index].forward(y, contexts: contexts)
    }

    /// The convolution of stride 2, with zeros all round.
    package func halved(_ x: Tensor) -> Tensor { sampler.map { compute.convolve(x, $0, Self.half) } ?? x }

    /// Nearest neighbour and the convolution.
    /// - Parameter shape: of what it has to fit, whose sides are twice those of x or one less.
    package func doubled(_ x: Tensor, like shape: [Int]?) -> Tensor {
        guard let sampler else { return x }
        guard let shape, shape[1] != 2 * x.shape[1] || shape[2] != 2 * x.shape[2] else {
            return compute.convolve(x, sampler, ConvolutionPlan(padding: 1, upsample: 2))
        }
        return compute.convolve(
            Self.nearest(x, rows: shape[1], columns: shape[2]), sampler, ConvolutionPlan(padding: 1))
    }

    private static func nearest(_ x: Tensor, rows: Int, columns: Int) -> Tensor {
        let (height, width, channels) = (x.shape[1], x.shape[2], x.shape[3])
        return Tensor(shape: [x.shape[0], rows, columns, channels]) { out in
            x.withUnsafe { x in
                var index = 0
                for picture in 0..<out.count / (rows * columns * channels) {
                    for row in 0..<rows {
                        for column in 0..<columns {
                            let from = (picture * height + row * height / rows) * width + column * width / columns
                            for channel in 0..<channels { out[index + channel] = x[from * channels + channel] }
                            index += channels
                        }
                    }
                }
            }
        }
    }
}

/// Residual block, transformer, residual block.
package struct SDXLMiddle: Sendable {
    private let first, second: SDXLResnet
    let transformer: SDXLTransformer

    package init(
        _ reader: WeightReader, blocks: inout Int, config: SDXLUNetConfig, compute: Compute
    ) throws(WeightError) {
        let level = config.channels.count - 1
        let width = config.channels[level]
        func resnet(_ index: Int) throws(WeightError) -> SDXLResnet {
            try SDXLResnet(
                reader.scope("resnets", index), inputs: width, outputs: width, config: config, compute: compute)
        }
        (first, second) = (try resnet(0), try resnet(1))
        transformer = try SDXLTransformer(
            reader.scope("attentions", 0), level: level, first: blocks, config: config, compute: compute)
        blocks += config.depths[level]
    }

    package func forward(
        _ x: Tensor, _ time: Tensor, _ contexts: [SDXLContext], interrupt: () throws -> Void
    ) throws -> Tensor {
        try interrupt()
        let y = first.forward(x, time: time)
        try interrupt()
        let z = transformer.forward(y, contexts: contexts)
        try interrupt()
        return second.forward(z, time: time)
    }
}
