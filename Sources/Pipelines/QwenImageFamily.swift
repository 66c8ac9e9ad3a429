import Diffusion
import Foundation
import Models
import PromptText
import Tensor
import Weights

/// Qwen-Image, text to image.
struct QwenImageFamily: ModelFamily {
    let guidanceRule = Guidance.Rule.normPreserving
    /// As in diffusers' `true_cfg_scale`, which does nothing without a negative prompt.
    let guidesWithoutNegativePrompt = false
    let packing = 2
    /// Of diffusers' pipeline.
    let defaults = SizeLimits.Defaults(width: 1024, height: 1024, frames: 1, fps: 16)
    let paddedTextLength = 0

    let transformerKeys = QwenImageKeys.transformer
    let textEncoderKeys = Qwen25Keys.encoder

    func promptEncoder(_ reader: WeightReader, tokenizer: URL, compute: Compute) throws -> any PromptEncoder {
        QwenImagePromptEncoder(
            tokenizer: try BytePairTokenizer(directory: tokenizer),
            encoder: try Qwen25Encoder(reader, config: try Qwen25Config.of(reader.checkpoint), compute: compute))
    }

    func network(_ reader: WeightReader, compute: Compute) throws -> any ExpertNetwork {
        try QwenImageTransformer(reader, config: try QwenImageTransformerConfig.of(reader.checkpoint), compute: compute)
    }

    /// Lightning's four steps, of shift 3; diffusers' steps with the published shift by size, and true CFG.
    func generators(experts: Int) throws -> [GeneratorSpec] {
        let published = DynamicShift(
            baseShift: 0.5, maximumShift: 0.9, baseTokens: 256, maximumTokens: 8192, terminal: 0.02)
        return [
            try .distilled(steps: 4, shift: 3, boundary: nil),
            try GeneratorSpec(
                name: "teacher", sampler: .euler, grid: .dynamic(steps: 50, shift: published),
                plan: PhasePlan(expert: "transformer", guidanceScale: 4)),
        ]
    }
}

extension QwenImageTransformer: ExpertNetwork {
    var channels: Int { config.inChannels }
    var textWidth: Int { config.textDim }
    /// Latents come packed.
    var patch: [Int] { [1, 1, 1] }

    func velocity(
        latents: Tensor, timesteps: [Float], conditionings: [Conditioning], name: String,
        interrupt: () throws -> Void
    ) throws -> Tensor {
        try forward(
            latents: latents, timesteps: timesteps, texts: conditionings.map(\.embedding.rows), interrupt: interrupt)
    }
}
