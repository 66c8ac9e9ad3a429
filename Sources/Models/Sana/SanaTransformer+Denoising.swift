import Diffusion
import Tensor

extension SanaTransformer: DenoisingNetwork {
    package var channels: Int { config.inChannels }
    package var textWidth: Int { config.captionDim }
    package var patch: [Int] { [1, 1, 1] }

    package func velocity(
        _ evaluation: Evaluation<Conditioning>, key: String, interrupt: () throws -> Void
    ) throws -> Tensor {
        let read = try evaluation.conditionings.map { conditioning in
            try conditioning.kept(for: key) { conditioning in
                try contexts(conditioning.rows, interrupt: interrupt).map(\.lasting)
            }
        }
        let times = config.embedsGuidance ? evaluation.timesteps.map { $0 / 1000 } : evaluation.timesteps
        return try forward(
            latents: evaluation.latents, times: times, guidance: evaluation.guidanceScales, contexts: read,
            interrupt: interrupt)
    }

    /// Products with weights, convolutions and attention; the keys and values of a caption are made once.
    package func operations(latent: [Int], textRows: Int) -> Double {
        let cells = Double(latent.dropFirst().reduce(1, *))
        let (d, hidden) = (Double(config.dim), Double(config.hiddenDim))
        let products = 2 * (6 * d * d + 3 * d * hidden)
        let attention = 4 * d * Double(config.headDim) + 4 * d * Double(textRows)
        let convolution = 2 * 9 * 2 * hidden
        return Double(config.layers) * cells * (products + attention + convolution)
            + cells * 2 * d * Double(config.inChannels + config.outChannels)
    }
}
