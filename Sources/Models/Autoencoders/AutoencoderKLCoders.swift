import Tensor
import Weights

/// Latents to a picture: conv_in, middle, levels from the innermost outwards, conv_out.
package struct AutoencoderKLDecoder: Sendable {
    private let postQuant: Linear?
    private let convIn, convOut: Convolution
    private let middle: AutoencoderKLMiddle
    private let levels: [AutoencoderKLLevel]
    private let normOut: GroupNorm
    private let compute: Compute

    init(_ reader: WeightReader, config: AutoencoderKLConfig, compute: Compute) throws(WeightError) {
        let z = config.latentChannels
        self.compute = compute
        postQuant =
            config.hasPostQuantConvolution
            ? try reader.linear("post_quant_conv", inputs: z, outputs: z, storedShape: [z, z, 1, 1]) : nil
        let decoder = reader.scope("decoder")
        let widths = Array(config.channels.reversed())
        convIn = try decoder.convolution("conv_in", inputs: z, outputs: widths[0], kernel: [3, 3])
        middle = try AutoencoderKLMiddle(
            decoder.scope("mid_block"), channels: widths[0], config: config, compute: compute)
        var levels: [AutoencoderKLLevel] = []
        for (index, width) in widths.enumerated() {
            levels.append(
                try AutoencoderKLLevel(
                    decoder.scope("up_blocks", index), inputs: widths[max(index - 1, 0)], outputs: width,
                    blocks: config.layersPerBlock + 1, sampler: index < widths.count - 1 ? .upsamplers : nil,
                    config: config, compute: compute))
        }
        self.levels = levels
        normOut = try GroupNorm(decoder, "conv_norm_out", channels: config.channels[0], config: config)
        convOut = try decoder.convolution(
            "conv_out", inputs: config.channels[0], outputs: config.outChannels, kernel: [3, 3])
    }

    /// z `[1, h, w, C]` of the autoencoder's own scale -> the picture `[1, H, W, 3]`, not clamped.
    /// - Parameter interrupt: called before each residual block; throwing ends the decode.
    package func picture(of z: Tensor, interrupt: () throws -> Void = {}) throws -> Tensor {
        let plan = ConvolutionPlan(padding: 1)
        var x = compute.convolve(postQuant.map { compute.linear(z, $0) } ?? z, convIn, plan)
        x = try middle(consume x, interrupt: interrupt)
        for level in levels { x = try level(consume x, interrupt: interrupt) }
        try interrupt()
        return compute.convolve(x, convOut, plan, scaling: normOut.scaling(x, .silu, compute: compute))
    }
}

/// A picture to the moments of its latents: conv_in, levels inwards, middle, conv_out.
package struct AutoencoderKLEncoder: Sendable {
    private let quant: Linear?
    private let convIn, convOut: Convolution
    private let levels: [AutoencoderKLLevel]
    private let middle: AutoencoderKLMiddle
    private let normOut: GroupNorm
    private let compute: Compute

    init(_ reader: WeightReader, config: AutoencoderKLConfig, compute: Compute) throws(WeightError) {
        let moments = 2 * config.latentChannels
        let widths = config.channels
        let last = widths[widths.count - 1]
        self.compute = compute
        quant =
            config.hasQuantConvolution
            ? try reader.linear(
                "quant_conv", inputs: moments, outputs: moments, storedShape: [moments, moments, 1, 1]) : nil
        let encoder = reader.scope("encoder")
        convIn = try encoder.convolution("conv_in", inputs: config.inChannels, outputs: widths[0], kernel: [3, 3])
        var levels: [AutoencoderKLLevel] = []
        for (index, width) in widths.enumerated() {
            levels.append(
                try AutoencoderKLLevel(
                    encoder.scope("down_blocks", index), inputs: widths[max(index - 1, 0)], outputs: width,
                    blocks: config.layersPerBlock, sampler: index < widths.count - 1 ? .downsamplers : nil,
                    config: config, compute: compute))
        }
        self.levels = levels
        middle = try AutoencoderKLMiddle(encoder.scope("mid_block"), channels: last, config: config, compute: compute)
        normOut = try GroupNorm(encoder, "conv_norm_out", channels: last, config: config)
        convOut = try encoder.convolution("conv_out", inputs: last, outputs: moments, kernel: [3, 3])
    }

    /// x `[1, H, W, 3]` in [-1, 1] -> the moments `[1, h, w, 2 C]`: means, then logarithms of variances.
    /// - Parameter interrupt: called before each residual block; throwing ends the encode.
    package func moments(of x: Tensor, interrupt: () throws -> Void = {}) throws -> Tensor {
        let plan = ConvolutionPlan(padding: 1)
        var x = compute.convolve(x, convIn, plan)
        for level in levels { x = try level(consume x, interrupt: interrupt) }
        x = try middle(consume x, interrupt: interrupt)
        x = compute.convolve(x, convOut, plan, scaling: normOut.scaling(x, .silu, compute: compute))
        return quant.map { compute.linear(x, $0) } ?? x
    }
}
