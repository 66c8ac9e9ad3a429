import Foundation
import Tensor
import Weights

/// One expert of Wan2.1 / Wan2.2: latents, time and text in, velocity out.
///
/// Reference: `WanTransformer3DModel` in diffusers' transformer_wan.py. Everything is float32 between the weights.
package struct WanTransformer: Sendable {
    package let config: WanTransformerConfig
    package let blocks: [WanBlock]
    /// The arithmetic of what surrounds the blocks.
    private let compute: Compute
    private let patchEmbedding: Linear
    private let time1, time2, timeProjection: Linear
    private let text1, text2: Linear
    private let projOut: Linear
    /// `[2, dim]`
    private let scaleShiftTable: Tensor

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: WanTransformerConfig, compute: Compute) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute.unquantized
        patchEmbedding = try reader.linear(
            "patch_embedding", inputs: config.patchInputs, outputs: dim,
            storedShape: [dim, config.inChannels] + config.patch)
        let embedder = reader.scope("condition_embedder")
        time1 = try embedder.linear("time_embedder.linear_1", inputs: config.freqDim, outputs: dim)
        time2 = try embedder.linear("time_embedder.linear_2", inputs: dim, outputs: dim)
        timeProjection = try embedder.linear("time_proj", inputs: dim, outputs: 6 * dim)
        text1 = try embedder.linear("text_embedder.linear_1", inputs: config.textDim, outputs: dim)
        text2 = try embedder.linear("text_embedder.linear_2", inputs: dim, outputs: dim)
        var blocks: [WanBlock] = []
        for index in 0..<config.layers {
            blocks.append(try WanBlock(reader.scope("blocks", index), config: config, compute: compute))
        }
        self.blocks = blocks
        projOut = try reader.linear("proj_out", inputs: dim, outputs: config.patchOutputs)
        scaleShiftTable = try reader.vector("scale_shift_table", [1, 2, dim]).reshaped([2, dim])
    }

    // MARK: Text

    /// Text projection: `[n, textDim]` -> `[n, dim]`.
    package func projectText(_ text: Tensor) -> Tensor {
        compute.linear(compute.linear(text, text1, activation: .geluTanh), text2)
    }

    /// A prompt as the blocks see it.
    ///
    /// Padded rows are zero before the projection and equal one constant row after it, and they are not masked. Those
    /// `paddedLength - n` equal keys are kept as one key with the logarithm of their number added to its score, which
    /// is the same softmax.
    package func context(_ text: TextEmbedding) -> WanTextContext {
        let count = text.rows.shape[0]
        let padding = text.paddedLength - count
        guard padding > 0 else {
            return WanTextContext(text: projectText(text.rows), keyBias: nil)
        }
        let zero = Tensor(zeros: [1, config.textDim])
        let projected = projectText(count > 0 ? Tensor.concatenate([text.rows, zero]) : zero)
        let bias = Tensor([Float](repeating: 0, count: count) + [Float(log(Double(padding)))], shape: [1, count + 1])
        return WanTextContext(text: projected, keyBias: bias)
    }

    // MARK: Time

    /// The time embedding `[B, dim]` and its projection `[B, 6, dim]` for the blocks.
    package func timeEmbedding(_ timesteps: [Float]) -> (embedding: Tensor, projection: Tensor) {
        let sinusoid = timestepSinusoid(timesteps, width: config.freqDim)
        let embedding = compute.linear(compute.linear(sinusoid, time1, activation: .silu), time2)
        let projection = compute.linear(compute.activate(embedding, .silu), timeProjection)
        return (embedding, projection.reshaped([timesteps.count, 6, config.dim]))
    }

    /// The same of times of which few differ, such as those of the frames of a clip: each is computed once.
    private func timeEmbedding(repeating timesteps: [Float]) -> (embedding: Tensor, projection: Tensor) {
        var distinct: [Float] = []
        let rows = timesteps.map { time in
            if let known = distinct.firstIndex(of: time) { return known }
            distinct.append(time)
            return distinct.count - 1
        }
        let made = timeEmbedding(distinct)
        func spread(_ x: Tensor) -> Tensor { Tensor.concatenate(rows.map { x.slice($0..<$0 + 1) }) }
        return distinct.count == rows.count ? made : (spread(made.embedding), spread(made.projection))
    }

    // MARK: Forward

    /// The velocity of `latents` `[B, channels, F, H, W]`: `[B, outputs, F, H, W]`.
    ///
    /// - Parameters:
    ///   - timesteps: one for each batch entry, or for each frame of tokens of each, on the scale 0...1000.
    ///   - contexts: one for each batch entry.
    ///   - interrupt: called before each block; throwing from it ends the forward pass.
    package func forward(
        latents: Tensor, timesteps: [Float], contexts: [WanTextContext], interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let grid = TokenGrid(latents: latents.shape, patch: config.patch)
        let (embedding, projection) = timeEmbedding(repeating: timesteps)
        let rope = Self.rope(frames: grid.frames, rows: grid.rows, columns: grid.columns, headDim: config.headDim)
        var x = compute.linear(grid.tokens(of: latents), patchEmbedding)
        for (index, block) in blocks.enumerated() {
            try interrupt()
            x = block.forward(
                x, timeProjection: projection, contexts: contexts.map { $0.keysValues(index, of: block) }, rope: rope)
        }
        let (shift, scale) = headModulation(embedding)
        let normed = compute.modulatedLayerNorm(x, scale: scale, shift: shift, eps: config.eps)
        return grid.latents(from: compute.linear(normed, projOut), channels: config.outChannels)
    }

    /// Shift and scale `[times, dim]` before the output projection: the table plus the time embedding itself.
    private func headModulation(_ embedding: Tensor) -> (shift: Tensor, scale: Tensor) {
        let batch = embedding.shape[0]
        let rows = (0..<2).map { row in
            compute.add(
                embedding, Tensor.concatenate([Tensor](repeating: scaleShiftTable.slice(row..<row + 1), count: batch)))
        }
        return (rows[0], rows[1])
    }

    /// Rotary angles of a token grid. The head is split t, h, w with widths D - 2w, w, w, w = 2 floor(D / 6).
    package static func rope(frames: Int, rows: Int, columns: Int, headDim: Int) -> RotaryTable {
        let side = 2 * (headDim / 6)
        return .axial(tokens: frames * rows * columns, widths: [headDim - 2 * side, side, side]) { token, axis in
            switch axis {
            case 0: token / (rows * columns)
            case 1: token / columns % rows
            default: token % columns
            }
        }
    }
}
