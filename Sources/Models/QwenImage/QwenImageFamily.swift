import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// Qwen-Image, text to image.
struct QwenImageFamily: QwenImageNetworkFamily {
    let name = "qwen-image"
    let traits = FamilyTraits(
        guidance: .normPreserving,
        // As in diffusers' `true_cfg_scale`, which does nothing without a negative prompt.
        guidesWithoutNegativePrompt: false, packing: 2,
        defaults: SizeLimits.Defaults(width: 1024, height: 1024, frames: 1, fps: 16), tiny: .clips("taew2_1"))

    // MARK: Files

    let pipelineClasses = ["QwenImagePipeline"]
    /// Nothing in a file of 2509 tells what it was trained for.
    let networkName = "Qwen-Image or Qwen-Image-Edit-2509"

    func recognises(picturesAtZero: Bool) -> Bool { !picturesAtZero }

    func refusal(ofPipelineClass name: String) -> String? {
        name.hasPrefix("QwenImage")
            ? "of the Qwen-Image family text to image (QwenImagePipeline) and edits by Qwen-Image-Edit-2509 and -2511 "
                + "(QwenImageEditPlusPipeline) run; not the first Qwen-Image-Edit, layers, inpainting or control"
            : nil
    }

    // MARK: Parts

    func promptEncoder(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> any PromptEncoder {
        let reader = try readers.reader("text_encoder")
        return QwenImagePromptEncoder(
            tokenizer: try CarriedTokenizer.bytePair(
                folder: { try tokenizer("tokenizer") }, encoder: reader.checkpoint),
            encoder: try Qwen25Encoder(reader, config: try QwenConfig.of(reader.checkpoint), compute: compute))
    }

    /// - Throws: `NetworkError.unsupported` also for Qwen-Image-Edit-2511's.
    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork {
        let network = try transformer(reader, compute: compute)
        guard !network.picturesAtZero else {
            throw NetworkError.unsupported(
                file: reader.checkpoint.configuration?.source ?? reader.checkpoint.path,
                reason:
                    "zero_cond_t: it is Qwen-Image-Edit-2511's network, and the model around it makes pictures from "
                    + "text; use a folder of QwenImageEditPlusPipeline, or single files")
        }
        return network
    }

    /// diffusers' steps.
    let teacherSteps = 50

    func checks(folder: String, compute: Compute) -> any FamilyChecks {
        QwenImageChecks(folder: folder, compute: compute)
    }
}
