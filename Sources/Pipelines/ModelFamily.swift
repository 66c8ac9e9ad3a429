import Diffusion
import Foundation
import Models
import PromptText
import Tensor
import Weights

/// What a family of models has of its own: how its parts are opened, and by what rules they play together.
protocol ModelFamily: Sendable {
    /// How velocities with and without the prompt become one.
    var guidanceRule: Guidance.Rule { get }
    /// Whether guidance is on without a negative prompt, against the empty one.
    var guidesWithoutNegativePrompt: Bool { get }
    /// Cells of the VAE's latent, along a side, that are folded into the channels of one before diffusion.
    var packing: Int { get }
    /// Size and length where nothing else says so; one frame: the family makes pictures only.
    var defaults: SizeLimits.Defaults { get }
    /// Rows of text that the network sees, zeros after those of the prompt; 0 where it sees the prompt's alone.
    var paddedTextLength: Int { get }

    /// Names that other tools give the keys of checkpoints and LoRA files.
    var transformerKeys: KeyTable { get }
    var textEncoderKeys: KeyTable { get }

    /// - Parameter tokenizer: the folder of the tokenizer.
    func promptEncoder(_ reader: WeightReader, tokenizer: URL, compute: Compute) throws -> any PromptEncoder

    func network(_ reader: WeightReader, compute: Compute) throws -> any ExpertNetwork

    /// Ways to generate where no file says any: the few-step student first, then the published sampler.
    func generators(experts: Int) throws -> [GeneratorSpec]
}

/// A denoising network as a pipeline holds it.
protocol ExpertNetwork: Sendable {
    /// Of the latents that are diffused.
    var channels: Int { get }
    /// Of the rows of text it reads.
    var textWidth: Int { get }
    /// Frames, rows and columns of the latent in one token.
    var patch: [Int] { get }

    /// - Parameters:
    ///   - name: the expert's, by which conditionings keep what was made of them.
    ///   - interrupt: called before each block; throwing from it ends the evaluation.
    func velocity(
        latents: Tensor, timesteps: [Float], conditionings: [Conditioning], name: String,
        interrupt: () throws -> Void
    ) throws -> Tensor
}

extension ModelIndex {
    /// - Throws: `PipelineError.unsupported`, which names the class.
    func family(of folder: String) throws -> any ModelFamily {
        switch pipelineClass {
        case "WanPipeline": return WanFamily()
        case "QwenImagePipeline": return QwenImageFamily()
        case let name where name.hasPrefix("QwenImage") || name.hasPrefix("Wan"):
            throw PipelineError.unsupported(
                folder: folder,
                reason: "\(name): of these families text to image (QwenImagePipeline) and text to video (WanPipeline) "
                    + "are, nothing that starts from a picture")
        default:
            throw PipelineError.unsupported(folder: folder, reason: "pipeline class \(pipelineClass)")
        }
    }
}
