import Tensor
import Weights

/// The network of FLUX.2-klein: packed latents, reference pictures, time and text in, velocity out.
///
/// Reference: `Flux2Transformer2DModel` in diffusers' transformer_flux2.py. Everything is float32 between the weights. No layer
/// has a bias, and all blocks of a kind share one modulation, which is computed once for each evaluation.
package struct Flux2Transformer: Sendable {
    package let config: Flux2TransformerConfig
    package let doubleBlocks: [Flux2DoubleBlock]
    package let singleBlocks: [Flux2SingleBlock]
    /// The arithmetic of what surrounds the blocks.
    private let compute: Compute
    private let imageIn, textIn, time1, time2, scaleOut, shiftOut, projOut: Linear
    private let imageModulation, textModulation, singleModulation: Linear

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: Flux2TransformerConfig, compute: Compute) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute.unquantized
        imageIn = try reader.linear("x_embedder", inputs: config.inChannels, outputs: dim, bias: false)
        textIn = try reader.linear("context_embedder", inputs: config.textDim, outputs: dim, bias: false)
        let embedder = reader.scope("time_guidance_embed").scope("timestep_embedder")
        time1 = try embedder.linear("linear_1", inputs: config.frequencies, outputs: dim, bias: false)
        time2 = try embedder.linear("linear_2", inputs: dim, outputs: dim, bias: false)
        func modulation(_ name: String, _ count: Int) throws(WeightError) -> Linear {
            try reader.linear("\(name).linear", inputs: dim, outputs: count * 3 * dim, bias: false)
        }
        imageModulation = try modulation("double_stream_modulation_img", 2)
        textModulation = try modulation("double_stream_modulation_txt", 2)
        singleModulation = try modulation("single_stream_modulation", 1)
        var doubleBlocks: [Flux2DoubleBlock] = []
        for index in 0..<config.doubleLayers {
            doubleBlocks.append(
                try Flux2DoubleBlock(reader.scope("transformer_blocks", index), config: config, compute: compute))
        }
        self.doubleBlocks = doubleBlocks
        var singleBlocks: [Flux2SingleBlock] = []
        for index in 0..<config.singleLayers {
            singleBlocks.append(
                try Flux2SingleBlock(
                    reader.scope("single_transformer_blocks", index), config: config, compute: compute))
        }
        self.singleBlocks = singleBlocks
        let shiftFirst = reader.contains("\(Flux2Keys.lastModulationShiftFirst).weight")
        let whole = shiftFirst ? Flux2Keys.lastModulationShiftFirst : Flux2Keys.lastModulation
        func half(_ name: String, isFirst: Bool) throws(WeightError) -> Linear {
            try reader.linear(
                name, inputs: dim, outputs: dim, bias: false,
                partOf: FusedRows(whole, part: isFirst ? 0 : 1, of: 2, rows: dim))
        }
        scaleOut = try half("norm_out.scale", isFirst: !shiftFirst)
        shiftOut = try half("norm_out.shift", isFirst: shiftFirst)
        projOut = try reader.linear("proj_out", inputs: dim, outputs: config.outChannels, bias: false)
    }

    // MARK: Time

    /// The time embedding `[B, dim]` of timesteps 0...1000.
    package func timeEmbedding(_ timesteps: [Float]) -> Tensor {
        let sinusoid = timestepSinusoid(timesteps, width: config.frequencies)
        return compute.linear(compute.linear(sinusoid, time1, activation: .silu), time2)
    }

    /// What all blocks of a kind do with the time: shifts, scales and gates, `[B, count * 3 * dim]`.
    package struct Modulations {
        package let image, text, single: Tensor
    }

    package func modulations(_ time: Tensor) -> Modulations {
        let active = compute.activate(time, .silu)
        return Modulations(
            image: compute.linear(active, imageModulation), text: compute.linear(active, textModulation),
            single: compute.linear(active, singleModulation))
    }

    // MARK: Forward

    /// The velocity of packed `latents` `[B, channels, 1, rows, columns]`. Entries do not see each other.
    ///
    /// - Parameters:
    ///   - timesteps: one for each batch entry, on the scale 0...1000.
    ///   - texts: rows `[m, textDim]` of each entry's prompt, as many for each.
    ///   - references: for each entry its packed reference pictures `[channels, 1, rows, columns]`, of the same sizes for all
    ///     entries.
    ///   - interrupt: called before each block; throwing from it ends the forward pass.
    package func forward(
        latents: Tensor, timesteps: [Float], texts: [Tensor], references: [[Tensor]] = [],
        interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let grid = TokenGrid(latents: latents.shape, patch: [1, 1, 1])
        let given = references.first ?? []
        let rows = grid.tokens(of: latents)
        let pictures = given.isEmpty ? rows : withReferences(rows, references, batch: grid.batch)
        let velocity = try output(
            rows: pictures, grids: [[grid.rows, grid.columns]] + given.map { Array($0.shape.suffix(2)) },
            timesteps: timesteps, texts: texts, interrupt: interrupt)
        return grid.latents(from: velocity, channels: config.outChannels)
    }

    /// The rows of each entry's references after those of its picture.
    private func withReferences(_ rows: Tensor, _ references: [[Tensor]], batch: Int) -> Tensor {
        let others = references.map { entry in
            Tensor.concatenate(
                entry.map { TokenGrid(latents: [1] + $0.shape, patch: [1, 1, 1]).tokens(of: $0) })
        }
        return interleaved(rows, Tensor.concatenate(others), batch: batch)
    }

    /// The velocity `[B * tokens, channels]` of the picture's rows.
    ///
    /// - Parameters:
    ///   - rows: of pictures and references, `[B * n, channels]`.
    ///   - grids: rows and columns of the picture, then of each reference.
    package func output(
        rows: Tensor, grids: [[Int]], timesteps: [Float], texts: [Tensor], interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let (batch, textRows) = (timesteps.count, texts.first?.shape[0] ?? 0)
        precondition(
            texts.count == batch && texts.allSatisfy { $0.shape[0] == textRows }, "texts of one length for \(batch)")
        let time = timeEmbedding(timesteps)
        let factors = modulations(time)
        let textTurns = textRope(rows: textRows)
        let imageTurns = imageRope(grids: grids)
        let setting = Flux2DoubleBlock.Setting(
            batch: batch, textTurns: textTurns, imageTurns: imageTurns,
            textModulation: Flux2Modulation.all(of: factors.text, dim: config.dim),
            imageModulation: Flux2Modulation.all(of: factors.image, dim: config.dim))
        var streams = Flux2Streams(
            image: compute.linear(rows, imageIn),
            text: compute.linear(texts.count == 1 ? texts[0] : Tensor.concatenate(texts), textIn))
        for block in doubleBlocks {
            try interrupt()
            streams = block.forward(streams, setting)
        }
        var x = interleaved(streams.text, streams.image, batch: batch)
        let turns = RotaryTable.concatenate([textTurns, imageTurns])
        let single = Flux2Modulation.all(of: factors.single, dim: config.dim)[0]
        for block in singleBlocks {
            try interrupt()
            x = block.forward(x, batch: batch, turns: turns, modulation: single)
        }
        let (_, images) = separated(x, batch: batch, first: textRows)
        let (picture, _) = separated(images, batch: batch, first: grids[0].reduce(1, *))
        return head(picture, time: time)
    }

    /// The last layer: `[B * n, dim]` -> `[B * n, channels]`.
    package func head(_ x: Tensor, time: Tensor) -> Tensor {
        let active = compute.activate(time, .silu)
        let normed = compute.modulatedLayerNorm(
            x, scale: compute.linear(active, scaleOut), shift: compute.linear(active, shiftOut), eps: config.eps)
        return compute.linear(normed, projOut)
    }

    // MARK: Positions

    /// Positions of a text's rows: they count on the last axis.
    package static func textPosition(row: Int, axis: Int) -> Int { axis == 3 ? row : 0 }

    /// Positions of a picture's cells; each reference has a place of its own on the first axis.
    /// - Parameter index: 0 for the picture, k + 1 for reference k.
    package static func imagePosition(cell: Int, axis: Int, columns: Int, picture index: Int) -> Int {
        switch axis {
        case 0: 10 * index
        case 1: cell / columns
        case 2: cell % columns
        default: 0
        }
    }

    package func textRope(rows: Int) -> RotaryTable {
        .axial(tokens: rows, widths: config.axes, theta: config.theta, position: Self.textPosition)
    }

    /// - Parameter grids: rows and columns of the picture, then of each reference.
    package func imageRope(grids: [[Int]]) -> RotaryTable {
        .concatenate(
            grids.enumerated().map { index, grid in
                .axial(tokens: grid[0] * grid[1], widths: config.axes, theta: config.theta) {
                    Self.imagePosition(cell: $0, axis: $1, columns: grid[1], picture: index)
                }
            })
    }
}
