import Tensor
import Weights

/// The network of SANA and SANA-Sprint: latents, time, guidance and captions in, the flow's velocity out. Its cells know no
/// positions but by the convolutions, and its attention over them is linear, so that its cost grows with the picture's area.
///
/// Reference: `SanaTransformer2DModel` in diffusers' sana_transformer.py. Everything is float32 between the weights.
package struct SanaTransformer: Sendable {
    package let config: SanaTransformerConfig
    package let blocks: [SanaBlock]
    /// What computes the layers around the blocks.
    private let compute: Compute
    private let patchIn, time1, time2, timeOut, caption1, caption2, projOut: Linear
    /// The embedding of the guidance scale; nil in SANA, which is told none.
    private let guidance1, guidance2: Linear?
    private let captionNorm: Tensor
    /// `[2, dim]`: shift and scale.
    private let table: Tensor

    /// - Throws: `WeightError` with the key that is missing or has another shape.
    package init(_ reader: WeightReader, config: SanaTransformerConfig, compute: Compute) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute.unquantized
        reader.passOver(SanaKeys.foreign)
        patchIn = try reader.linear(
            "patch_embed.proj", inputs: config.inChannels, outputs: dim, storedShape: [dim, config.inChannels, 1, 1])
        let time = reader.scope("time_embed")
        // diffusers' SANA keeps it one level deeper than its Sprint.
        let embedder = time.scope(
            time.contains("emb.timestep_embedder.linear_1.weight") ? "emb.timestep_embedder" : "timestep_embedder")
        time1 = try embedder.linear("linear_1", inputs: config.frequencies, outputs: dim)
        time2 = try embedder.linear("linear_2", inputs: dim, outputs: dim)
        if config.embedsGuidance {
            let guidance = time.scope("guidance_embedder")
            guidance1 = try guidance.linear("linear_1", inputs: config.frequencies, outputs: dim)
            guidance2 = try guidance.linear("linear_2", inputs: dim, outputs: dim)
        } else {
            (guidance1, guidance2) = (nil, nil)
        }
        timeOut = try time.linear("linear", inputs: dim, outputs: 6 * dim)
        caption1 = try reader.linear("caption_projection.linear_1", inputs: config.captionDim, outputs: dim)
        caption2 = try reader.linear("caption_projection.linear_2", inputs: dim, outputs: dim)
        captionNorm = try reader.vector("caption_norm.weight", [dim])
        var blocks: [SanaBlock] = []
        for index in 0..<config.layers {
            blocks.append(
                try SanaBlock(reader.scope("transformer_blocks", index), config: config, compute: compute))
        }
        self.blocks = blocks
        table = try reader.vector("scale_shift_table", [2, dim])
        projOut = try reader.linear("proj_out", inputs: dim, outputs: config.outChannels)
    }

    // MARK: Captions

    /// What the blocks read of a caption `[n, captionDim]`, the same at every step.
    /// - Parameter interrupt: called before each block; throwing from it ends the pass.
    package func contexts(_ caption: Tensor, interrupt: () throws -> Void = {}) throws -> [SanaBlock.Context] {
        let projected = self.caption(caption)
        return try blocks.map { block in
            try interrupt()
            return block.context(of: projected)
        }
    }

    package func caption(_ rows: Tensor) -> Tensor {
        let projected = compute.linear(compute.linear(rows, caption1, activation: .geluTanh), caption2)
        return compute.rmsNorm(projected, weight: captionNorm, eps: config.rmsEps)
    }

    // MARK: Time

    /// The embedding `[B, dim]` of times on the network's scale and of scales of guidance as they are given, 4.5.
    package func embedding(times: [Float], guidance: [Float]) -> Tensor {
        func embedded(_ values: [Float], _ first: Linear, _ second: Linear) -> Tensor {
            let sinusoid = timestepSinusoid(values, width: config.frequencies)
            return compute.linear(compute.linear(sinusoid, first, activation: .silu), second)
        }
        let time = embedded(times.map { $0 * config.timeScale }, time1, time2)
        guard let guidance1, let guidance2 else { return time }
        return compute.add(time, embedded(guidance.map { $0 * config.guidanceScale }, guidance1, guidance2))
    }

    /// `[B, 6 * dim]`, which all blocks share.
    package func modulation(_ embedding: Tensor) -> Tensor {
        compute.linear(compute.activate(embedding, .silu), timeOut)
    }

    // MARK: Forward

    /// The velocity of `latents` `[B, channels, 1, h, w]`. Entries do not see each other: each has what it has alone.
    ///
    /// - Parameters:
    ///   - times: on the network's scale: 0...1 in SANA-Sprint, 0...1000 in SANA.
    ///   - guidance: scales of guidance; SANA reads none.
    ///   - contexts: what `contexts(_:)` gave for each entry.
    ///   - interrupt: called before each block; throwing from it ends the forward pass.
    package func forward(
        latents: Tensor, times: [Float], guidance: [Float], contexts: [[SanaBlock.Context]],
        interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        let grid = TokenGrid(latents: latents.shape, patch: [1, 1, 1])
        precondition(
            times.count == grid.batch && contexts.count == grid.batch,
            "\(grid.batch) latents, \(contexts.count) contexts")
        let embedding = embedding(times: times, guidance: guidance)
        let modulation = modulation(embedding)
        var x = compute.linear(grid.tokens(of: latents), patchIn)
        for (index, block) in blocks.enumerated() {
            try interrupt()
            x = block.forward(
                x, grid: (grid.rows, grid.columns), modulation: modulation, contexts: contexts.map { $0[index] })
        }
        return grid.latents(from: output(x, embedding: embedding), channels: config.outChannels)
    }

    /// The last layer: `[B * n, dim]` -> `[B * n, channels]`.
    package func output(_ x: Tensor, embedding: Tensor) -> Tensor {
        let dim = config.dim
        func row(_ part: Int) -> Tensor {
            Tensor(shape: embedding.shape) { out in
                embedding.withUnsafe { embedding in
                    table.withUnsafe { table in
                        for index in out.indices { out[index] = embedding[index] + table[part * dim + index % dim] }
                    }
                }
            }
        }
        return compute.linear(
            compute.modulatedLayerNorm(x, scale: row(1), shift: row(0), eps: config.eps), projOut)
    }
}
