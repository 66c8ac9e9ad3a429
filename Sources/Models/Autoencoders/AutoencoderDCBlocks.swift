import Tensor
import Weights

/// x / sqrt(mean x^2 + eps) * weight + bias over the channels of each cell.
struct CellNorm: Sendable {
    private let weight, bias: Tensor
    private let eps: Float
    private let compute: Compute

    init(_ reader: WeightReader, _ name: String, channels: Int, config: AutoencoderDCConfig, compute: Compute)
        throws(WeightError)
    {
        weight = try reader.vector("\(name).weight", [channels])
        bias = try reader.vector("\(name).bias", [channels])
        eps = config.eps
        self.compute = compute
    }

    /// x `[..., C]` -> the same shape, plus `residual`.
    func callAsFunction(_ x: Tensor, addingTo residual: Tensor? = nil) -> Tensor {
        compute.rmsNorm(x, weight: weight, bias: bias, eps: eps, addingTo: residual)
    }
}

extension ChannelScaling {
    /// An activation alone, for a convolution to do on its input.
    static func activation(_ activation: Activation, channels: Int) -> ChannelScaling {
        let factors = Tensor.lasting {
            Tensor(shape: [2, channels]) { out in for index in out.indices { out[index] = index < channels ? 1 : 0 } }
        }
        return ChannelScaling(factors: factors, activation: activation)
    }
}

/// A block of a level: a residual block, or attention and a gated convolution. x `[1, H, W, C]` -> the same shape.
package protocol AutoencoderDCBlock: Sendable {
    func callAsFunction(_ x: consuming Tensor) -> Tensor
}

/// norm(conv2(silu(conv1 x))) + x; diffusers' `ResBlock` in autoencoder_dc.py.
package struct AutoencoderDCResidualBlock: AutoencoderDCBlock {
    private let conv1, conv2: Convolution
    private let norm: CellNorm
    private let silu: ChannelScaling
    private let compute: Compute

    package init(
        _ reader: WeightReader, channels: Int, config: AutoencoderDCConfig, compute: Compute
    ) throws(WeightError) {
        conv1 = try reader.convolution("conv1", inputs: channels, outputs: channels, kernel: [3, 3])
        conv2 = try reader.convolution("conv2", inputs: channels, outputs: channels, kernel: [3, 3], bias: false)
        norm = try CellNorm(reader, "norm", channels: channels, config: config, compute: compute)
        silu = .activation(.silu, channels: channels)
        self.compute = compute
    }

    package func callAsFunction(_ x: consuming Tensor) -> Tensor {
        let plan = ConvolutionPlan(padding: 1)
        var h = compute.convolve(x, conv1, plan)
        h = compute.convolve(h, conv2, plan, scaling: silu)
        return norm(h, addingTo: x)
    }
}

/// Linear attention over all cells, at several scales: queries, keys and values as they are projected, and again after
/// convolutions of each channel and a product for each group of channels. Heads are consecutive groups of 3 * head_dim channels
/// of all that, whatever the projections are called. `SanaMultiscaleLinearAttention` in diffusers' attention_processor.py.
package struct AutoencoderDCAttention: Sendable {
    private let projections: [Linear]
    private let scales: [(taps: DepthwiseConvolution, mix: GroupedLinear)]
    private let out: Linear
    private let norm: CellNorm
    private let heads: Int
    private let compute: Compute

    package init(
        _ reader: WeightReader, channels: Int, scales: [Int], config: AutoencoderDCConfig, compute: Compute
    ) throws(WeightError) {
        heads = channels / config.headDim
        var projections: [Linear] = []
        for (part, name) in AutoencoderDCKeys.projections.enumerated() {
            projections.append(
                try reader.linear(
                    name, inputs: channels, outputs: channels, bias: false,
                    partOf: FusedRows(AutoencoderDCKeys.fused, part: part, of: 3, rows: channels)))
        }
        self.projections = projections
        var further: [(DepthwiseConvolution, GroupedLinear)] = []
        for (index, side) in scales.enumerated() {
            let scale = reader.scope("to_qkv_multiscale", index)
            further.append(
                (
                    try scale.depthwise("proj_in", channels: 3 * channels, side: side, bias: false),
                    GroupedLinear(weight: try scale.vector("proj_out.weight", [3 * channels, config.headDim]))
                ))
        }
        self.scales = further
        out = try reader.linear("to_out", inputs: (1 + scales.count) * channels, outputs: channels, bias: false)
        norm = try CellNorm(reader, "norm_out", channels: channels, config: config, compute: compute)
        self.compute = compute
    }

    /// x `[1, H, W, C]` -> the same shape, x added.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        let cells = x.reshaped([x.shape[1] * x.shape[2], x.shape[3]])
        let projected = compute.sideBySide(compute.linear(cells, projections))
        let picture = Array(x.shape.dropLast()) + [projected.shape[1]]
        let sources =
            [projected]
            + scales.map { scale in
                let near = compute.convolve(projected.reshaped(picture), scale.taps)
                return compute.linear(near.reshaped(projected.shape), scale.mix)
            }
        let attended = compute.linear(compute.linearAttention(packed: sources, heads: heads), out)
        return norm(attended, addingTo: cells).reshaped(x.shape)
    }
}

/// A gated convolution between two products: norm(point(a * silu(b))) + x with a, b = depth(silu(inverted x)); diffusers'
/// `GLUMBConv`.
package struct AutoencoderDCGatedConvolution: Sendable {
    private let inverted, point: Linear
    private let depth: DepthwiseConvolution
    private let norm: CellNorm
    private let compute: Compute

    package init(
        _ reader: WeightReader, channels: Int, config: AutoencoderDCConfig, compute: Compute
    ) throws(WeightError) {
        let hidden = 4 * channels
        inverted = try reader.linear("conv_inverted", inputs: channels, outputs: 2 * hidden)
        depth = try reader.depthwise("conv_depth", channels: 2 * hidden, side: 3)
        point = try reader.linear("conv_point", inputs: hidden, outputs: channels, bias: false)
        norm = try CellNorm(reader, "norm", channels: channels, config: config, compute: compute)
        self.compute = compute
    }

    /// x `[1, H, W, C]` -> the same shape, x added.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        let cells = [x.shape[1] * x.shape[2], x.shape[3]]
        var h = compute.linear(x.reshaped(cells), inverted, activation: .silu)
        h = compute.convolve(h.reshaped(Array(x.shape.dropLast()) + [h.shape[1]]), depth, gated: true)
        h = compute.linear(h.reshaped([cells[0], h.shape[3]]), point)
        return norm(h, addingTo: x.reshaped(cells)).reshaped(x.shape)
    }
}

/// Attention, then the gated convolution; diffusers' `EfficientViTBlock`.
package struct AutoencoderDCAttentionBlock: AutoencoderDCBlock {
    private let attention: AutoencoderDCAttention
    private let convolution: AutoencoderDCGatedConvolution

    package init(
        _ reader: WeightReader, channels: Int, scales: [Int], config: AutoencoderDCConfig, compute: Compute
    ) throws(WeightError) {
        attention = try AutoencoderDCAttention(
            reader.scope("attn"), channels: channels, scales: scales, config: config, compute: compute)
        convolution = try AutoencoderDCGatedConvolution(
            reader.scope("conv_out"), channels: channels, config: config, compute: compute)
    }

    package func callAsFunction(_ x: consuming Tensor) -> Tensor {
        x = attention(x)
        return convolution(x)
    }
}
