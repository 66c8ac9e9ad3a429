import Diffusion
import Foundation
import Models
import PromptText
import Tensor
import Weights

/// Wan2.1 and Wan2.2, text to video.
struct WanFamily: ModelFamily {
    let guidanceRule = Guidance.Rule.classifierFree
    let guidesWithoutNegativePrompt = true
    let packing = 1
    /// Of the published models.
    let defaults = SizeLimits.Defaults(width: 832, height: 480, frames: 81, fps: 16)
    let paddedTextLength = UMT5PromptEncoder.wanLength

    let transformerKeys = WanKeys.transformer
    let textEncoderKeys = UMT5Keys.encoder

    func promptEncoder(_ reader: WeightReader, tokenizer: URL, compute: Compute) throws -> any PromptEncoder {
        UMT5PromptEncoder(
            tokenizer: try UnigramTokenizer(directory: tokenizer),
            encoder: try UMT5Encoder(reader, config: try UMT5Config.of(reader.checkpoint), compute: compute))
    }

    func network(_ reader: WeightReader, compute: Compute) throws -> any ExpertNetwork {
        try WanTransformer(reader, config: try WanTransformerConfig.of(reader.checkpoint), compute: compute)
    }

    /// Lightning's and Phased DMD's four steps; diffusers' UniPC with the published guidance. Wan2.2 has two experts, which
    /// meet at 0.875; Wan2.1 has one.
    func generators(experts: Int) throws -> [GeneratorSpec] {
        let boundary = experts > 1 ? 0.875 : nil
        let teacher =
            if let boundary {
                try PhasePlan(boundary: boundary, guidanceScales: (4, 3))
            } else {
                try PhasePlan(expert: "transformer", guidanceScale: 5)
            }
        return [
            try .distilled(steps: 4, shift: 5, boundary: boundary),
            try GeneratorSpec(
                name: "teacher", sampler: .uniPC, grid: .uniPCFlow(steps: experts > 1 ? 40 : 50, shift: 3),
                plan: teacher),
        ]
    }
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
