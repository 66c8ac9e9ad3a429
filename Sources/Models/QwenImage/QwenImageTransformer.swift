import Tensor
import Weights

/// The expert of Qwen-Image and Qwen-Image-Edit: packed latents, reference pictures, time and text in, velocity out.
///
/// Reference: `QwenImageTransformer2DModel` in diffusers' transformer_qwenimage.py. Everything is float32 between the
/// weights. A packed latent has 2 x 2 cells of the VAE's folded into its channels, and one token for each cell left.
package struct QwenImageTransformer: Sendable {
    package let config: QwenImageTransformerConfig
    package let blocks: [QwenImageBlock]
    /// Whether tokens of reference pictures are modulated by time 0 (Qwen-Image-Edit-2511) instead of the step's.
    package let picturesAtZero: Bool
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
        picturesAtZero = config.picturesAtZero || reader.contains(Self.zeroMark)
        reader.passOver([Self.zeroMark])
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

    /// An empty tensor in repackaged files that stands for `zero_cond_t` of `config.json`.
    static let zeroMark = "__index_timestep_zero__"

    // MARK: Time

    /// The time embedding `[B, dim]` of timesteps 0...1000.
    package func timeEmbedding(_ timesteps: [Float]) -> Tensor {
        let sinusoid = timestepSinusoid(timesteps, width: config.freqDim)
        return compute.linear(compute.linear(sinusoid, time1, activation: .silu), time2)
    }

    /// What blocks and the last layer read of timesteps 0...1000.
    package func times(_ timesteps: [Float]) -> QwenImageTimes {
        func active(_ timesteps: [Float]) -> Tensor { compute.activate(timeEmbedding(timesteps), .silu) }
        return QwenImageTimes(
            image: active(timesteps), pictures: picturesAtZero ? active(timesteps.map { _ in 0 }) : nil)
    }

    // MARK: Forward

    /// The velocity of packed `latents` `[B, channels, 1, rows, columns]`.
    ///
    /// - Parameters:
    ///   - timesteps: one for each batch entry, on the scale 0...1000.
    ///   - texts: for each batch entry the rows `[n, textDim]` of its prompt.
    ///   - references: for each entry its packed reference pictures `[channels, 1, rows, columns]`, of the same sizes for all
    ///     entries.
    ///   - interrupt: called before each block; throwing from it ends the forward pass.
    package func forward(
        latents: Tensor, timesteps: [Float], texts: [Tensor], references: [[Tensor]] = [],
        interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let grid = TokenGrid(latents: latents.shape, patch: [1, 1, 1])
        let given = references.first ?? []
        let pictures = references.flatMap { entry in
            entry.map { TokenGrid(latents: [1] + $0.shape, patch: [1, 1, 1]).tokens(of: $0) }
        }
        let times = times(timesteps)
        let x = try streams(
            image: grid.tokens(of: latents), pictures: given.isEmpty ? nil : Tensor.concatenate(pictures),
            shapes: [(grid.rows, grid.columns)] + given.map { ($0.shape[2], $0.shape[3]) }, times: times, texts: texts,
            interrupt: interrupt)
        return grid.latents(from: head(x.image, times), channels: config.outChannels)
    }

    /// The streams after all blocks.
    ///
    /// - Parameters:
    ///   - image: tokens `[B * T, channels]` of what is made.
    ///   - pictures: tokens `[B * P, channels]` of the reference pictures.
    ///   - shapes: rows and columns of what is made, then of each reference.
    package func streams(
        image: Tensor, pictures: Tensor?, shapes: [(rows: Int, columns: Int)], times: QwenImageTimes, texts: [Tensor],
        interrupt: () throws -> Void = {}
    ) throws -> QwenImageStreams {
        let counts = texts.map { $0.shape[0] }
        let ropes = counts.map { Self.rope(text: $0, shapes: shapes, axes: config.axes) }
        let text = texts.count == 1 ? texts[0] : Tensor.concatenate(texts)
        var x = QwenImageStreams(
            image: compute.linear(image, imageIn), pictures: pictures.map { compute.linear($0, imageIn) },
            text: compute.linear(compute.rmsNorm(text, weight: textNorm, eps: config.eps), textIn),
            textCounts: counts)
        for block in blocks {
            try interrupt()
            x = block.forward(x, times: times, ropes: ropes)
        }
        return x
    }

    /// The last layer, by the image's time: `[B * n, dim]` -> `[B * n, channels]`.
    package func head(_ x: Tensor, _ times: QwenImageTimes) -> Tensor {
        // Scale first, unlike in the blocks.
        let modulation = compute.linear(times.image, normOut)
        let scale = columns(of: modulation, 0, config.dim)
        let shift = columns(of: modulation, config.dim, config.dim)
        return compute.linear(compute.modulatedLayerNorm(x, scale: scale, shift: shift, eps: config.eps), projOut)
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
