import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// Qwen-Image-Edit-2509 and -2511: pictures made from up to three others and a prompt. Both the text encoder and the network
/// look at the pictures.
struct QwenImageEditFamily: QwenImageNetworkFamily {
    let name = "qwen-image-edit"
    let traits = FamilyTraits(
        guidance: .normPreserving, guidesWithoutNegativePrompt: true, packing: 2,
        // The model cards' negative prompt.
        absentNegativePrompt: " ", defaults: SizeLimits.Defaults(width: 1024, height: 1024, frames: 1, fps: 16),
        pictures: PictureInputs(
            references: 1...3, referenceSides: QwenPictureProcessor.sides,
            resultMultiple: QwenImageEditPictureEncoder.multiple))

    // MARK: Files

    let pipelineClasses = ["QwenImageEditPlusPipeline"]
    let networkName = "Qwen-Image-Edit-2511"

    func recognises(picturesAtZero: Bool) -> Bool { picturesAtZero }

    func refusal(ofPipelineClass name: String) -> String? { nil }

    // MARK: Parts

    let visionTowerKeys: KeyTable? = QwenVisionKeys.tower

    /// - Throws: `ModelError.unsupported` for a text encoder without a vision tower.
    func promptEncoder(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> any PromptEncoder {
        let reader = try readers.reader("text_encoder")
        guard QwenVisionTower.prefix(of: reader.contains) != nil else {
            throw ModelError.unsupported(
                folder: reader.checkpoint.path,
                reason: "Qwen-Image-Edit's text encoder looks at the pictures, and this file has no vision tower "
                    + "(visual.*): it is pruned to text, or a GGUF whose tower is another file; give that "
                    + "(mmproj-*.gguf) as --vision-tower, or use qwen_2.5_vl_7b.safetensors or the text_encoder folder")
        }
        // The tower first, as it runs first.
        let tower = try QwenVisionTower(
            reader, config: try QwenVisionConfig.of(reader.checkpoint), compute: compute)
        let encoder = try Qwen25Encoder(reader, config: try QwenConfig.of(reader.checkpoint), compute: compute)
        return try QwenImageEditPromptEncoder(
            tokenizer: CarriedTokenizer.bytePair(folder: { try tokenizer("tokenizer") }, encoder: reader.checkpoint),
            encoder: encoder, tower: tower, processor: processor(tokenizer, for: tower.config))
    }

    /// What the model's `processor` folder says, or the folder that was named for the tokenizer; else the published numbers.
    private func processor(
        _ folder: (String) throws -> URL, for tower: QwenVisionConfig
    ) throws -> QwenPictureProcessor {
        for place in ["processor", "tokenizer"].compactMap({ try? folder($0) }) {
            if let found = try QwenPictureProcessor.read(in: place, for: tower) { return found }
        }
        return QwenPictureProcessor(for: tower)
    }

    func pictureEncoder(_ autoencoder: any Autoencoder) -> (any PictureEncoder)? {
        QwenImageEditPictureEncoder(autoencoder: autoencoder, packing: traits.packing)
    }

    /// The model cards' steps.
    let teacherSteps = 40

    func checks(folder: String, compute: Compute) -> any FamilyChecks {
        QwenImageEditChecks(folder: folder, compute: compute)
    }
}
