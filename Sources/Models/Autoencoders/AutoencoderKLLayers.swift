import Tensor
import Weights

/// A norm over the places and neighbouring channels of one picture.
struct GroupNorm: Sendable {
    private let weight, bias: Tensor
    private let groups: Int
    private let eps: Float

    init(
        _ reader: WeightReader, _ name: String, channels: Int, groups: Int, eps: Float
    ) throws(WeightError) {
        weight = try reader.vector("\(name).weight", [channels])
        bias = try reader.vector("\(name).bias", [channels])
        self.groups = groups
        self.eps = eps
    }

    init(_ reader: WeightReader, _ name: String, channels: Int, config: AutoencoderKLConfig) throws(WeightError) {
        try self.init(reader, name, channels: channels, groups: config.normGroups, eps: config.eps)
    }

    /// What the norm does to each channel of x `[1, H, W, C]`, with an activation after it.
    func scaling(_ x: Tensor, _ activation: Activation, compute: Compute) -> ChannelScaling {
        compute.groupNorm(of: x, weight: weight, bias: bias, groups: groups, eps: eps, activation: activation)
    }
}

/// conv2(silu(norm2(conv1(silu(norm1(x)))))) + shortcut(x); diffusers' `ResnetBlock2D` without a time embedding.
package struct AutoencoderKLResidualBlock: Sendable {
    private let norm1, norm2: GroupNorm
    private let conv1, conv2: Convolution
    /// 1x1, where the channels change.
    private let shortcut: Convolution?
    private let compute: Compute

    package init(
        _ reader: WeightReader, inputs: Int, outputs: Int, config: AutoencoderKLConfig, compute: Compute
    ) throws(WeightError) {
        norm1 = try GroupNorm(reader, "norm1", channels: inputs, config: config)
        conv1 = try reader.convolution("conv1", inputs: inputs, outputs: outputs, kernel: [3, 3])
        norm2 = try GroupNorm(reader, "norm2", channels: outputs, config: config)
        conv2 = try reader.convolution("conv2", inputs: outputs, outputs: outputs, kernel: [3, 3])
        shortcut =
            inputs == outputs
            ? nil : try reader.convolution("conv_shortcut", inputs: inputs, outputs: outputs, kernel: [1, 1])
        self.compute = compute
    }

    /// x `[1, H, W, inputs]` -> `[1, H, W, outputs]`. What is consumed makes room as soon as it is not read any more: in a large
    /// picture each of these tensors is hundreds of megabytes.
    package func callAsFunction(_ x: consuming Tensor) -> Tensor {
        let plan = ConvolutionPlan(padding: 1)
        let h = compute.convolve(x, conv1, plan, scaling: norm1.scaling(x, .silu, compute: compute))
        if let shortcut { x = compute.convolve(x, shortcut) }
        return compute.convolve(h, conv2, plan, scaling: norm2.scaling(h, .silu, compute: compute), addingTo: x)
    }
}

/// Attention with one head over the places of a picture; diffusers' `Attention` in `UNetMidBlock2D`.
package struct AutoencoderKLAttention: Sendable {
    private let norm: GroupNorm
    private let q, k, v, out: Linear
    private let compute: Compute

    package init(
        _ reader: WeightReader, channels: Int, config: AutoencoderKLConfig, compute: Compute
    ) throws(WeightError) {
        norm = try GroupNorm(reader, "group_norm", channels: channels, config: config)
        // The original files hold 1x1 convolutions.
        func linear(_ name: String) throws(WeightError) -> Linear {
            try reader.linear(name, inputs: channels, outputs: channels, storedShape: [channels, channels, 1, 1])
        }
        (q, k, v) = (try linear("to_q"), try linear("to_k"), try linear("to_v"))
        out = try linear("to_out.0")
        self.compute = compute
    }

    /// x `[1, H, W, C]` -> the same shape.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        let places = x.reshaped([x.shape[1] * x.shape[2], x.shape[3]])
        let normed = compute.scale(places, by: norm.scaling(x, .identity, compute: compute))
        let projected = compute.linear(normed, [q, k, v])
        let attended = compute.attention(q: projected[0], k: projected[1], v: projected[2], heads: 1)
        return compute.linear(attended, out, addingTo: GatedResidual(places)).reshaped(x.shape)
    }
}

/// Residual block, attention, residual block.
struct AutoencoderKLMiddle: Sendable {
    private let first, second: AutoencoderKLResidualBlock
    private let attention: AutoencoderKLAttention?

    init(
        _ reader: WeightReader, channels: Int, config: AutoencoderKLConfig, compute: Compute
    ) throws(WeightError) {
        first = try AutoencoderKLResidualBlock(
            reader.scope("resnets", 0), inputs: channels, outputs: channels, config: config, compute: compute)
        attention =
            config.hasMiddleAttention
            ? try AutoencoderKLAttention(
                reader.scope("attentions", 0), channels: channels, config: config, compute: compute) : nil
        second = try AutoencoderKLResidualBlock(
            reader.scope("resnets", 1), inputs: channels, outputs: channels, config: config, compute: compute)
    }

    func callAsFunction(_ x: consuming Tensor, interrupt: () throws -> Void) throws -> Tensor {
        try interrupt()
        x = first(consume x)
        try interrupt()
        if let attention { x = attention(x) }
        try interrupt()
        return second(consume x)
    }
}

/// A level of the encoder or decoder: residual blocks, and in all but the last a convolution to the next one's size.
package struct AutoencoderKLLevel: Sendable {
    package enum Sampler: String {
        /// Stride 2; zeros after the last row and column only.
        case downsamplers
        /// Nearest neighbour times 2, then the convolution.
        case upsamplers

        package var plan: ConvolutionPlan {
            switch self {
            case .downsamplers: ConvolutionPlan(stride: 2, padding: 0, paddingAfter: 1)
            case .upsamplers: ConvolutionPlan(padding: 1, upsample: 2)
            }
        }
    }

    private let resnets: [AutoencoderKLResidualBlock]
    private let sampler: (convolution: Convolution, plan: ConvolutionPlan)?
    private let compute: Compute

    init(
        _ reader: WeightReader, inputs: Int, outputs: Int, blocks: Int, sampler: Sampler?, config: AutoencoderKLConfig,
        compute: Compute
    ) throws(WeightError) {
        var resnets: [AutoencoderKLResidualBlock] = []
        for index in 0..<blocks {
            resnets.append(
                try AutoencoderKLResidualBlock(
                    reader.scope("resnets", index), inputs: index == 0 ? inputs : outputs, outputs: outputs,
                    config: config, compute: compute))
        }
        self.resnets = resnets
        self.sampler =
            if let sampler {
                (
                    try reader.convolution(
                        "\(sampler.rawValue).0.conv", inputs: outputs, outputs: outputs, kernel: [3, 3]), sampler.plan
                )
            } else { nil }
        self.compute = compute
    }

    func callAsFunction(_ x: consuming Tensor, interrupt: () throws -> Void) throws -> Tensor {
        for resnet in resnets {
            try interrupt()
            x = resnet(consume x)
        }
        guard sampler != nil else { return x }
        try interrupt()
        return resampled(x)
    }

    /// The sampler alone, which the verifier checks.
    func resampled(_ x: Tensor) -> Tensor {
        sampler.map { compute.convolve(x, $0.convolution, $0.plan) } ?? x
    }
}
