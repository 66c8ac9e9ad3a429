import Diffusion
import Foundation
import Networks
import Tensor
import Text
import Weights

/// Wan2.1 and Wan2.2, text to video.
struct WanFamily: ModelFamily {
    let guidanceRule = Guidance.Rule.classifierFree
    let guidesWithoutNegativePrompt = true
    let packing = 1
    /// Of the published models.
    let defaults = SizeLimits.Defaults(width: 832, height: 480, frames: 81, fps: 16)
    let paddedTextLength = UMT5PromptEncoder.wanLength

    func promptEncoder(
        _ reader: WeightReader, config: String, tokenizer: URL, compute: Compute
    ) throws -> any PromptEncoder {
        UMT5PromptEncoder(
            tokenizer: try UnigramTokenizer(directory: tokenizer),
            encoder: try UMT5Encoder(reader, config: try UMT5Config.read(config), compute: compute))
    }

    func network(_ reader: WeightReader, config: String, compute: Compute) throws -> any ExpertNetwork {
        try WanTransformer(reader, config: try WanTransformerConfig.read(config), compute: compute)
    }

    func moduleName(_ name: String) -> String { WanKeys.transformer.rename(name) }
}

extension WanTransformer: ExpertNetwork {
    var channels: Int { config.inChannels }
    var textWidth: Int { config.textDim }
    var patch: [Int] { config.patch }

    func velocity(
        latents: Tensor, timesteps: [Float], conditionings: [Conditioning], name: String,
        interrupt: () throws -> Void
    ) throws -> Tensor {
        let contexts = conditionings.map { $0.context(of: name, context) }
        return try forward(latents: latents, timesteps: timesteps, contexts: contexts, interrupt: interrupt)
    }
}
