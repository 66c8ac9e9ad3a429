import Diffusion
import Tensor
import Weights

/// The U-Net of SDXL: latents, times, texts and sizes in, the noise (or what else its weights were trained to give) out.
///
/// Reference: `UNet2DConditionModel` in diffusers' unet_2d_condition.py. Inside, pictures are channels-last `[B, H, W, C]`.
package struct SDXLUNet: Sendable {
    package let config: SDXLUNetConfig
    private let compute: Compute
    private let time1, time2, added1, added2: Linear
    private let convIn, convOut: Convolution
    private let normOut: GroupNorm
    private let downs, ups: [SDXLLevel]
    private let middle: SDXLMiddle

    /// The layer by which a network is told the scale of guidance.
    static let guidanceKey = "time_embedding.cond_proj.weight"
    static let guidanceRefusal =
        "the network is told the scale of guidance, as LCM's whole U-Net is, which is not built: use LCM's LoRA file on "
        + "SDXL's own U-Net"

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: SDXLUNetConfig, compute: Compute) throws(WeightError) {
        let (channels, time) = (config.channels, config.timeDim)
        self.config = config
        self.compute = compute
        time1 = try reader.linear("time_embedding.linear_1", inputs: channels[0], outputs: time)
        time2 = try reader.linear("time_embedding.linear_2", inputs: time, outputs: time)
        added1 = try reader.linear("add_embedding.linear_1", inputs: config.addedDim, outputs: time)
        added2 = try reader.linear("add_embedding.linear_2", inputs: time, outputs: time)
        convIn = try reader.convolution(
            "conv_in", inputs: config.inChannels, outputs: channels[0], kernel: [3, 3])
        var blocks = 0
        var downs: [SDXLLevel] = []
        for level in channels.indices {
            downs.append(
                try SDXLLevel(
                    down: reader.scope("down_blocks", level), level: level, blocks: &blocks, config: config,
                    compute: compute))
        }
        self.downs = downs
        middle = try SDXLMiddle(reader.scope("mid_block"), blocks: &blocks, config: config, compute: compute)
        var ups: [SDXLLevel] = []
        for (index, level) in channels.indices.reversed().enumerated() {
            ups.append(
                try SDXLLevel(
                    up: reader.scope("up_blocks", index), level: level, blocks: &blocks, config: config,
                    compute: compute))
        }
        self.ups = ups
        normOut = try GroupNorm(
            reader, "conv_norm_out", channels: channels[0], groups: config.normGroups, eps: config.eps)
        convOut = try reader.convolution(
            "conv_out", inputs: channels[0], outputs: config.outChannels, kernel: [3, 3])
    }

    // MARK: What the latent is read with

    /// The sinusoids `[B, ids * idDim]` of size ids, six for each picture.
    package func idSinusoid(_ ids: [Float]) -> Tensor {
        timestepSinusoid(ids, width: config.idDim)
            .reshaped([ids.count / SDXLUNetConfig.ids, SDXLUNetConfig.ids * config.idDim])
    }

    /// The embedding of times 0...999, `[B, timeDim]`.
    package func timeEmbedding(_ times: [Float]) -> Tensor {
        let compute = compute.unquantized
        let sinusoid = timestepSinusoid(times, width: config.channels[0])
        return compute.linear(compute.linear(sinusoid, time1, activation: .silu), time2)
    }

    /// The embedding `[B, timeDim]` of texts `[B, pooledDim]` and size ids.
    package func addedEmbedding(pooled: Tensor, ids: [Float]) -> Tensor {
        let compute = compute.unquantized
        let both = Tensor.beside(pooled, idSinusoid(ids))
        return compute.linear(compute.linear(both, added1, activation: .silu), added2)
    }

    /// The whole embedding `[B, timeDim]`.
    package func embedding(_ times: [Float], pooled: Tensor, ids: [Float]) -> Tensor {
        compute.add(timeEmbedding(times), addedEmbedding(pooled: pooled, ids: ids))
    }

    /// What all cross-attentions make of a text `[n, textDim]`.
    ///
    /// - Parameter interrupt: called before each block; throwing from it ends the pass.
    package func context(_ text: Tensor, interrupt: () throws -> Void = {}) throws -> SDXLContext {
        var keys: [Tensor] = []
        var values: [Tensor] = []
        let transformers = downs.flatMap(\.transformers) + [middle.transformer] + ups.flatMap(\.transformers)
        for block in transformers.flatMap(\.blocks) {
            try interrupt()
            let (key, value) = block.context(text)
            keys.append(key)
            values.append(value)
        }
        return SDXLContext(keys: keys, values: values)
    }

    // MARK: Forward

    /// - Parameters:
    ///   - latents: `[B, C, 1, h, w]`, of variance 1.
    ///   - embedding: times and what is added to them, `[B, timeDim]`.
    ///   - contexts: one for each picture.
    ///   - interrupt: called before each residual block; throwing from it ends the forward pass.
    /// - Returns: like `latents`.
    package func forward(
        latents: Tensor, embedding: Tensor, contexts: [SDXLContext], interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let plan = ConvolutionPlan(padding: 1)
        let time = compute.activate(embedding, .silu)
        var x = compute.convolve(Self.channelsLast(latents), convIn, plan)
        var skips = [x]
        for level in downs { x = try level.down(x, time, contexts, skips: &skips, interrupt: interrupt) }
        x = try middle.forward(x, time, contexts, interrupt: interrupt)
        for level in ups { x = try level.up(x, time, contexts, skips: &skips, interrupt: interrupt) }
        let out = perPicture(x) { x, _ in
            compute.convolve(x, convOut, plan, scaling: normOut.scaling(x, .silu, compute: compute))
        }
        return Self.channelsFirst(out)
    }

    /// `[B, C, 1, h, w]` -> `[B, h, w, C]`.
    static func channelsLast(_ x: Tensor) -> Tensor {
        Tensor.concatenate((0..<x.shape[0]).map { Models.channelsLast(x[$0]) })
    }

    /// `[B, h, w, C]` -> `[B, C, 1, h, w]`.
    static func channelsFirst(_ x: Tensor) -> Tensor {
        stacked((0..<x.shape[0]).map { Models.channelsFirst(x.slice($0..<$0 + 1)) })
    }
}
