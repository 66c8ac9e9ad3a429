import Tensor
import Weights

/// The expert of Qwen-Image: packed latents, time and text in, velocity out.
///
/// Reference: `QwenImageTransformer2DModel` in diffusers' transformer_qwenimage.py. Everything is float32 between the
/// weights. A packed latent has 2 x 2 cells of the VAE's folded into its channels, and one token for each cell left.
package struct QwenImageTransformer: Sendable {
    package let config: QwenImageTransformerConfig
    package let blocks: [QwenImageBlock]
    /// The arithmetic of what surrounds the blocks.
    private let compute: Compute
    private let imageIn, textIn: Linear
    private let textNorm: Tensor
    private let time1, time2: Linear
    private let normOut, projOut: Linear

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: QwenImageTransformerConfig, compute: Compute) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute.unquantized
        imageIn = try reader.linear("img_in", inputs: config.inChannels, outputs: dim)
        textNorm = try reader.vector("txt_norm.weight", [config.textDim])
        textIn = try reader.linear("txt_in", inputs: config.textDim, outputs: dim)
        let embedder = reader.scope("time_text_embed.timestep_embedder")
        time1 = try embedder.linear("linear_1", inputs: config.freqDim, outputs: dim)
        time2 = try embedder.linear("linear_2", inputs: dim, outputs: dim)
        var blocks: [QwenImageBlock] = []
        for index in 0..<config.layers {
            let scope = reader.scope("transformer_blocks", index)
            blocks.append(try QwenImageBlock(scope, config: config, compute: compute))
        }
        self.blocks = blocks
        normOut = try reader.linear("norm_out.linear", inputs: dim, outputs: 2 * dim)
        projOut = try reader.linear("proj_out", inputs: dim, outputs: config.outChannels)
    }

    /// The time embedding `[B, dim]` of timesteps 0...1000.
    package func timeEmbedding(_ timesteps: [Float]) -> Tensor {
        let sinusoid = timestepSinusoid(timesteps, width: config.freqDim)
        return compute.linear(compute.linear(sinusoid, time1, activation: .silu), time2)
    }

    /// The velocity of packed `latents` `[B, channels, 1, rows, columns]`.
    ///
    /// - Parameters:
    ///   - timesteps: one for each batch entry, on the scale 0...1000.
    ///   - texts: for each batch entry the rows `[n, textDim]` of its prompt.
    ///   - interrupt: called before each block; throwing from it ends the forward pass.
    package func forward(
        latents: Tensor, timesteps: [Float], texts: [Tensor], interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let grid = TokenGrid(latents: latents.shape, patch: [1, 1, 1])
        let time = compute.activate(timeEmbedding(timesteps), .silu)
        let counts = texts.map { $0.shape[0] }
        let ropes = counts.map { Self.rope(text: $0, shapes: [(grid.rows, grid.columns)], axes: config.axes) }
        let text = texts.count == 1 ? texts[0] : Tensor.concatenate(texts)
        var x = QwenImageStreams(
            image: compute.linear(grid.tokens(of: latents), imageIn),
            text: compute.linear(compute.rmsNorm(text, weight: textNorm, eps: config.eps), textIn),
            textCounts: counts)
        for block in blocks {
            try interrupt()
            x = block.forward(x, time: time, ropes: ropes)
        }
        // Scale first, unlike in the blocks.
        let modulation = compute.linear(time, normOut)
        let scale = columns(of: modulation, 0, config.dim)
        let shift = columns(of: modulation, config.dim, config.dim)
        let normed = compute.modulatedLayerNorm(x.image, scale: scale, shift: shift, eps: config.eps)
        return grid.latents(from: compute.linear(normed, projOut), channels: config.outChannels)
    }

    // MARK: Positions

    /// Rotary angles of `count` text tokens, then of the tokens of each picture in `shapes`.
    ///
    /// The noise is picture 0, reference pictures follow it; the number of a picture in the list is its place on the frame
    /// axis. Each is numbered from its own middle, so that a larger one extends it on all sides; text follows where the
    /// largest ends, with one position on all axes.
    package static func rope(text count: Int, shapes: [(rows: Int, columns: Int)], axes: [Int]) -> RotaryTable {
        let firstText = shapes.map { max($0.rows / 2, $0.columns / 2) }.max() ?? 0
        var places = (0..<count).map { [Int](repeating: firstText + $0, count: axes.count) }
        for (number, shape) in shapes.enumerated() {
            for row in 0..<shape.rows {
                for column in 0..<shape.columns {
                    places.append([
                        number, row - (shape.rows - shape.rows / 2), column - (shape.columns - shape.columns / 2),
                    ])
                }
            }
        }
        return .axial(tokens: places.count, widths: axes) { token, axis in places[token][axis] }
    }
}
