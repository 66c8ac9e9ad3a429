import Tensor
import Weights

/// The network of Z-Image: latents, time and captions in, velocity out, all in one stream of rows.
///
/// Reference: `ZImageTransformer2DModel` in diffusers' transformer_z_image.py. Everything is float32 between the weights.
package struct ZImageTransformer: Sendable {
    package let config: ZImageTransformerConfig
    /// Over the picture alone, the caption alone, and both.
    package let noiseRefiner, contextRefiner, blocks: [ZImageBlock]
    /// The arithmetic of what surrounds the blocks.
    private let compute: Compute
    private let imageIn, captionIn, time1, time2, scaleOut, projOut: Linear
    private let captionNorm: Tensor
    /// `[1, dim]`: what rows are filled up with.
    private let imagePadding, captionPadding: Tensor

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: ZImageTransformerConfig, compute: Compute) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute.unquantized
        // Of ComfyUI's files; the network has no such norm.
        reader.passOver(["norm_final."])
        imageIn = try reader.linear("all_x_embedder.2-1", inputs: config.patchOutputs, outputs: dim)
        imagePadding = try reader.vector("x_pad_token", [1, dim])
        captionPadding = try reader.vector("cap_pad_token", [1, dim])
        captionNorm = try reader.vector("cap_embedder.0.weight", [config.captionDim])
        captionIn = try reader.linear("cap_embedder.1", inputs: config.captionDim, outputs: dim)
        let embedder = reader.scope("t_embedder.mlp")
        time1 = try embedder.linear("0", inputs: config.frequencies, outputs: config.timeHiddenDim)
        time2 = try embedder.linear("2", inputs: config.timeHiddenDim, outputs: config.timeDim)
        func stack(_ name: String, _ count: Int, isModulated: Bool) throws(WeightError) -> [ZImageBlock] {
            var blocks: [ZImageBlock] = []
            for index in 0..<count {
                blocks.append(
                    try ZImageBlock(
                        reader.scope(name, index), config: config, isModulated: isModulated, compute: compute))
            }
            return blocks
        }
        contextRefiner = try stack("context_refiner", config.refinerLayers, isModulated: false)
        noiseRefiner = try stack("noise_refiner", config.refinerLayers, isModulated: true)
        blocks = try stack("layers", config.layers, isModulated: true)
        let final = reader.scope("all_final_layer.2-1")
        scaleOut = try final.linear("adaLN_modulation.1", inputs: config.timeDim, outputs: dim)
        projOut = try final.linear("linear", inputs: dim, outputs: config.patchOutputs)
    }

    // MARK: Captions

    /// A caption as the blocks see it at every time: embedded, filled up and refined, `[n, captionDim]` -> `[rows, dim]`.
    ///
    /// - Parameter interrupt: called before each block; throwing from it ends the pass.
    package func context(_ caption: Tensor, interrupt: () throws -> Void = {}) throws -> Tensor {
        var x = filled(embeddedCaption(caption), with: captionPadding)
        let sequences = ZImageSequences([captionRope(rows: x.shape[0])])
        for block in contextRefiner {
            try interrupt()
            x = block.forward(x, sequences, time: nil)
        }
        return x
    }

    package func embeddedCaption(_ caption: Tensor) -> Tensor {
        compute.linear(compute.rmsNorm(caption, weight: captionNorm, eps: config.eps), captionIn)
    }

    /// Rows after those of one entry, which are attended to like all others.
    private func filled(_ x: Tensor, with padding: Tensor) -> Tensor {
        let missing = roundedRows(x.shape[0]) - x.shape[0]
        return missing > 0 ? Tensor.concatenate([x] + [Tensor](repeating: padding, count: missing)) : x
    }

    private func roundedRows(_ count: Int) -> Int {
        (count + config.rowMultiple - 1) / config.rowMultiple * config.rowMultiple
    }

    // MARK: Time and picture

    /// The time embedding `[B, timeDim]` of times from 0 (noise) to 1 (clean).
    package func timeEmbedding(_ times: [Float]) -> Tensor {
        let sinusoid = timestepSinusoid(times.map { $0 * config.timeScale }, width: config.frequencies)
        return compute.linear(compute.linear(sinusoid, time1, activation: .silu), time2)
    }

    /// Patches `[tokens, channels * 4]`, the channel fastest, -> `[tokens, dim]`.
    package func embeddedPatches(_ patches: Tensor) -> Tensor { compute.linear(patches, imageIn) }

    /// The last layer: `[B * n, dim]` -> patches `[B * n, channels * 4]`.
    package func patches(from x: Tensor, time: Tensor) -> Tensor {
        let scale = compute.linear(compute.activate(time, .silu), scaleOut)
        let normed = compute.modulatedLayerNorm(
            x, scale: scale, shift: Tensor(zeros: scale.shape), eps: config.finalEps)
        return compute.linear(normed, projOut)
    }

    // MARK: Forward

    /// The velocity of `latents` `[B, channels, 1, h, w]`, h and w even. Entries do not see each other: each has what it has
    /// alone.
    ///
    /// - Parameters:
    ///   - timesteps: one for each batch entry, on the scale 0...1000 of noise.
    ///   - contexts: one for each batch entry, from `context`.
    ///   - interrupt: called before each block; throwing from it ends the forward pass.
    package func forward(
        latents: Tensor, timesteps: [Float], contexts: [Tensor], interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let times = timesteps.map { (1000 - $0) / 1000 }
        let output = try output(latents: latents, times: times, contexts: contexts, interrupt: interrupt)
        // It points from noise to the picture.
        return Tensor(shape: output.shape) { out in
            output.withUnsafe { output in for index in out.indices { out[index] = -output[index] } }
        }
    }

    /// What the network itself gives, at times from 0 (noise) to 1 (clean): the negative of the velocity.
    package func output(
        latents: Tensor, times: [Float], contexts: [Tensor], interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let grid = TokenGrid(latents: latents.shape, patch: [1, config.patch, config.patch])
        let (batch, cells) = (grid.batch, grid.tokens)
        precondition(times.count == batch && contexts.count == batch, "\(batch) latents, \(contexts.count) contexts")
        let rows = roundedRows(cells)
        let time = timeEmbedding(times)
        let embedded = embeddedPatches(grid.tokens(of: latents, channelFastest: true))
        var x = whole(
            (0..<batch).map { filled(embedded.slice($0 * cells..<($0 + 1) * cells), with: imagePadding) })

        let images = contexts.map { imageRope(after: $0.shape[0], rows: grid.rows, columns: grid.columns) }
        let pictures = ZImageSequences(images)
        for block in noiseRefiner {
            try interrupt()
            x = block.forward(x, pictures, time: time)
        }
        let sequences = ZImageSequences(
            zip(images, contexts).map { .concatenate([$0, captionRope(rows: $1.shape[0])]) })
        x = whole((0..<batch).flatMap { [x.slice($0 * rows..<($0 + 1) * rows), contexts[$0]] })
        for block in blocks {
            try interrupt()
            x = block.forward(x, sequences, time: time)
        }
        var start = 0
        let kept = sequences.counts.map { count in
            defer { start += count }
            return x.slice(start..<start + cells)
        }
        return grid.latents(from: patches(from: whole(kept), time: time), channels: config.channels)
    }

    private func whole(_ parts: [Tensor]) -> Tensor { parts.count == 1 ? parts[0] : Tensor.concatenate(parts) }

    // MARK: Positions

    /// Positions of a caption's rows, those that fill it up among them: they count from 1 on the first axis.
    package static func captionPosition(row: Int, axis: Int) -> Int { axis == 0 ? row + 1 : 0 }

    /// Positions of a picture's rows: after the caption on the first axis, on the others their cells. The rows that fill it up
    /// lie at the origin.
    package static func imagePosition(row: Int, axis: Int, after caption: Int, rows: Int, columns: Int) -> Int {
        guard row < rows * columns else { return 0 }
        return switch axis {
        case 0: caption + 1
        case 1: row / columns
        default: row % columns
        }
    }

    package func captionRope(rows: Int) -> RotaryTable {
        .axial(
            tokens: rows, widths: config.axes, theta: config.theta, rounded: true, position: Self.captionPosition)
    }

    /// - Parameter caption: rows of the caption, filled up.
    package func imageRope(after caption: Int, rows: Int, columns: Int) -> RotaryTable {
        .axial(tokens: roundedRows(rows * columns), widths: config.axes, theta: config.theta, rounded: true) {
            Self.imagePosition(row: $0, axis: $1, after: caption, rows: rows, columns: columns)
        }
    }
}

extension RotaryTable {
    /// The angles of rows that follow each other.
    static func concatenate(_ tables: [RotaryTable]) -> RotaryTable {
        RotaryTable(
            cosine: Tensor.concatenate(tables.map(\.cosine)), sine: Tensor.concatenate(tables.map(\.sine)))
    }
}
