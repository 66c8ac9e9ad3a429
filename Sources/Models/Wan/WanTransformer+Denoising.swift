import Diffusion
import Tensor

extension WanTransformer: DenoisingNetwork {
    package var channels: Int { config.outChannels }
    package var textWidth: Int { config.textDim }
    package var patch: [Int] { config.patch }

    package func velocity(
        _ evaluation: Evaluation<Conditioning>, key: String, interrupt: () throws -> Void
    ) throws -> Tensor {
        let contexts = evaluation.conditionings.map { conditioning in
            conditioning.kept(for: key) {
                context(TextEmbedding(rows: $0.rows, paddedLength: UMT5PromptEncoder.wanLength))
            }
        }
        return try forward(
            latents: latentsAndChannels(evaluation),
            timesteps: Self.timesteps(evaluation, framesPerToken: config.patch[0]),
            contexts: contexts, interrupt: interrupt)
    }

    /// The latents with the channels after them that image-to-video networks read.
    private func latentsAndChannels<C>(_ evaluation: Evaluation<C>) throws(ModelError) -> Tensor {
        let latents = evaluation.latents
        guard config.inChannels > config.outChannels else { return latents }
        var rows: [Tensor] = []
        for (row, inputs) in evaluation.inputs.enumerated() {
            guard let channels = inputs.channels, channels.shape[0] == config.inChannels - config.outChannels else {
                throw .needsPicture
            }
            rows += [latents[row], channels]
        }
        return Tensor.concatenate(rows).reshaped([latents.shape[0], config.inChannels] + latents.shape[2...])
    }

    /// One time for each row; where frames are given, one for each frame of tokens of each row: 0 for those given.
    static func timesteps<C>(_ evaluation: Evaluation<C>, framesPerToken: Int) -> [Float] {
        guard evaluation.inputs.contains(where: { $0.givenFrames != nil }) else { return evaluation.timesteps }
        return zip(evaluation.timesteps, evaluation.inputs).flatMap { time, inputs in
            let given = (inputs.givenFrames?.shape[1] ?? 0) / framesPerToken
            return (0..<evaluation.latents.shape[2] / framesPerToken).map { $0 < given ? 0 : time }
        }
    }

    /// Products with weights, self-attention, cross-attention.
    package func operations(latent: [Int], textRows: Int) -> Double {
        let tokens = Double(latent.dropFirst().reduce(1, *) / config.patch.reduce(1, *))
        let (n, d, f) = (Double(textRows), Double(config.dim), Double(config.ffnDim))
        let projections = 2 * tokens * d * d * 6 + 4 * tokens * d * f
        let attention = 4 * tokens * tokens * d + 4 * tokens * n * d
        return Double(config.layers) * (projections + attention)
    }
}
