import Tensor
import Weights

/// The tiny autoencoder of pictures: TAESD, TAESDXL, TAEF1 and TAEF2. Reference: `AutoencoderTiny` in diffusers'
/// autoencoder_tiny.py; the normed branch of TAEF2: taesd.py of madebyollin/taesd.
///
/// Inside, pictures are channels-last `[1, H, W, C]`, one at a time.
package struct AutoencoderTiny: Sendable {
    package let config: AutoencoderTinyConfig
    private let decoder: [TinyLayer]
    private let encoder: [TinyLayer]?
    private let compute: Compute

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: AutoencoderTinyConfig, compute: Compute) throws(WeightError) {
        (self.config, self.compute) = (config, compute)
        let (layout, width) = (config.layout, config.width)
        func convolution(
            _ name: String, _ inputs: Int, _ outputs: Int, bias: Bool = true,
            _ plan: ConvolutionPlan = ConvolutionPlan(padding: 1)
        ) throws(WeightError) -> TinyLayer {
            .convolution(
                try reader.convolution(name, inputs: inputs, outputs: outputs, kernel: [3, 3], bias: bias), plan)
        }
        func block(_ name: String) throws(WeightError) -> TinyLayer {
            .block(
                try TinyBlock(reader.scope(name), width: width, activation: config.activation, compute: compute))
        }

        var layers = [
            try convolution(layout.decoder(0), config.latentChannels, width), .activation(config.activation),
        ]
        var index = 2
        for (level, blocks) in config.decoderBlocks.enumerated() {
            for _ in 0..<blocks {
                layers.append(try block(layout.decoder(index)))
                index += 1
            }
            if level == config.decoderBlocks.count - 1 {
                layers.append(try convolution(layout.decoder(index), width, 3))
            } else {
                // The enlargement counts as a layer.
                layers.append(
                    try convolution(
                        layout.decoder(index + 1), width, width, bias: false, ConvolutionPlan(padding: 1, upsample: 2)))
                index += 2
            }
        }
        decoder = layers

        guard let encoderBlocks = config.encoderBlocks else {
            encoder = nil
            return
        }
        layers = [try convolution(layout.encoder(0), 3, width)]
        index = 1
        for (level, blocks) in encoderBlocks.enumerated() {
            for _ in 0..<blocks {
                layers.append(try block(layout.encoder(index)))
                index += 1
            }
            layers.append(
                level == encoderBlocks.count - 1
                    ? try convolution(layout.encoder(index), width, config.latentChannels)
                    : try convolution(
                        layout.encoder(index), width, width, bias: false, ConvolutionPlan(stride: 2, padding: 1)))
            index += 1
        }
        encoder = layers
    }

    private func apply(_ layers: [TinyLayer], to x: consuming Tensor, _ interrupt: () throws -> Void) rethrows -> Tensor
    {
        for layer in layers {
            switch layer {
            case .convolution(let convolution, let plan): x = compute.convolve(x, convolution, plan)
            case .activation(let activation): x = compute.activate(x, activation)
            case .block(let block):
                try interrupt()
                x = block(x)
            }
        }
        return x
    }
}

extension AutoencoderTiny: TinyAutoencoder {
    package var network: TinyLatents.Network { .pictures }
    package var channels: Int { config.latentChannels }
    package var spatialFactor: Int { 1 << (config.decoderBlocks.count - 1) }
    package var temporalFactor: Int { 1 }
    package var hasEncoder: Bool { encoder != nil }

    package func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws {
        let z = affine(latent, 1 / config.scaling, config.shift)
        let frames = squashed(z)
        for frame in 0..<frames.shape[0] {
            let picture = try apply(decoder, to: frames.slice(frame..<frame + 1), interrupt)
            try onFrames(affine(picture, 2, -1))
        }
    }

    package func preview(_ latent: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        var first: Tensor?
        try decode(firstFrame(of: latent), interrupt: interrupt) { first = $0 }
        return first ?? Tensor(uninitialized: [0])
    }

    /// - Throws: `ModelError.unsupported` without an encoder.
    package func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        guard let encoder else {
            throw ModelError.unsupported(
                folder: "the tiny autoencoder", reason: "its file holds the decoder alone, which encodes no picture")
        }
        let latents = try (0..<frames.shape[0]).map { frame in
            try apply(encoder, to: affine(frames.slice(frame..<frame + 1), 0.5, 0.5), interrupt)
        }
        return affine(
            channelsFirst(Tensor.concatenate(latents)), config.scaling, -config.shift * config.scaling)
    }

    /// The network and latent channels of a file that holds this one, and why it cannot be used.
    static func recognise(_ checkpoint: Checkpoint) -> (TinyLatents.Network, channels: Int, refusal: String?)? {
        if let layout = AutoencoderTinyConfig.Layout.of(checkpoint),
            let first = checkpoint.tensors["\(layout.decoder(0)).weight"]?.shape
        {
            return (.pictures, first[1], nil)
        }
        // A file of the encoder alone counts from the picture on.
        guard let first = checkpoint.tensors["0.weight"]?.shape, first.count == 4, first[1] == 3,
            checkpoint.tensors["1.conv.0.weight"] != nil
        else { return nil }
        let last = checkpoint.tensors.filter { $0.key.hasSuffix(".bias") && !$0.key.contains("conv") }
        return (
            .pictures, last.values.map(\.count).filter { $0 != first[0] }.max() ?? first[0],
            "it is the encoder's half, as taesd_encoder is; give the decoder's"
        )
    }
}

/// The first latent frame `[C, 1, h, w]` of `[C, F, h, w]`.
package func firstFrame(of latent: Tensor) -> Tensor {
    let (channels, frames) = (latent.shape[0], latent.shape[1])
    guard frames > 1 else { return latent }
    let area = latent.count / (channels * frames)
    return Tensor(shape: [channels, 1] + latent.shape.dropFirst(2)) { out in
        latent.withUnsafe { z in
            for index in out.indices { out[index] = z[index / area * frames * area + index % area] }
        }
    }
}

/// One after the other they are a tiny network.
private enum TinyLayer: Sendable {
    case convolution(Convolution, ConvolutionPlan)
    case activation(Activation)
    case block(TinyBlock)
}

/// relu(conv.4(act(conv.2(act(conv.0 x)))) + x), and in TAEF2's middle x + pool(x) in place of x: a branch of 1x1 convolutions
/// around a group norm, by which a place sees the whole picture.
package struct TinyBlock: Sendable {
    private let convolutions: [Convolution]
    private let activation: ChannelScaling
    private let pool: (widen: Convolution, weight: Tensor, bias: Tensor, narrow: Convolution)?
    private let compute: Compute

    /// The groups of the group norm.
    private static let groups = 4
    private static let eps: Float = 1e-5

    package init(
        _ reader: WeightReader, width: Int, activation: Activation, compute: Compute
    ) throws(WeightError) {
        var convolutions: [Convolution] = []
        for index in [0, 2, 4] {
            convolutions.append(try reader.convolution("conv.\(index)", inputs: width, outputs: width, kernel: [3, 3]))
        }
        self.convolutions = convolutions
        self.activation = ChannelScaling(activation, channels: width)
        self.compute = compute
        guard reader.contains("pool.0.weight") else {
            pool = nil
            return
        }
        let wide = Self.groups * width
        pool = (
            try reader.convolution("pool.0", inputs: width, outputs: wide, kernel: [1, 1], bias: false),
            try reader.vector("pool.1.weight", [wide]), try reader.vector("pool.1.bias", [wide]),
            try reader.convolution("pool.3", inputs: wide, outputs: width, kernel: [1, 1], bias: false)
        )
    }

    /// x `[1, H, W, C]` -> the same shape.
    package func callAsFunction(_ x: consuming Tensor) -> Tensor {
        if let pool {
            let wide = compute.convolve(x, pool.widen)
            let norm = compute.groupNorm(
                of: wide, weight: pool.weight, bias: pool.bias, groups: Self.groups, eps: Self.eps, activation: .relu)
            x = compute.convolve(wide, pool.narrow, scaling: norm, addingTo: x)
        }
        let plan = ConvolutionPlan(padding: 1)
        var y = compute.convolve(x, convolutions[0], plan)
        y = compute.convolve(y, convolutions[1], plan, scaling: activation)
        y = compute.convolve(y, convolutions[2], plan, scaling: activation, addingTo: x)
        return compute.activate(y, .relu)
    }
}
