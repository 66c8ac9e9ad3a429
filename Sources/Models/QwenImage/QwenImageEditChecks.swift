import Diffusion
import Foundation
import Pictures
import PromptText
import Tensor
import Weights

/// The checks of the `qwen-image-edit` family: the pictures and the text side; network and autoencoder are those of Qwen-Image.
struct QwenImageEditChecks: FamilyChecks {
    let folder: String
    let compute: Compute

    private var shared: QwenImageChecks { QwenImageChecks(folder: folder, compute: compute) }

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        switch check.component {
        case "image": return try pictures(check)
        case "condition": return ["image_latents": .tensor(try latents(check))]
        case "tokenizer", "text_encoder", "vision": return try text(check)
        case "rope" where check.name == "text_encoder_rope": return try text(check)
        default: return try shared.run(check, extra: &extra)
        }
    }

    private func text(_ check: GoldenCheck) throws -> [String: Computed] {
        try QwenImageEditTextChecks(folder: folder, compute: compute).run(check)
    }

    // MARK: Pictures

    private func pictures(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "edit_sizes": return try sizes(check)
        case "edit_condition_pixels":
            let processor = try QwenImageEditTextChecks(folder: folder, compute: compute).prompts.processor
            let scaled = try scaled(check, "condition_area")
            let made = try scaled.map { try processor.patches(of: $0) }
            return [
                "sizes": .integers(Self.sides(scaled)), "pixel_values": .tensor(Tensor.concatenate(made.map(\.values))),
                "image_grid_thw": .integers(made.flatMap { [1, $0.grid.rows, $0.grid.columns] }),
            ]
        case "edit_vae_pixels":
            let scaled = try scaled(check, "vae_area")
            var results: [String: Computed] = ["sizes": .integers(Self.sides(scaled))]
            for (index, picture) in scaled.enumerated() {
                results["pixels\(index)"] = .tensor(channelsFirst(picture.signed))
            }
            return results
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    /// `[height, width]` of each.
    private static func sides(_ pictures: [RGBImage]) -> [Int] { pictures.flatMap { [$0.height, $0.width] } }

    private func scaled(_ check: GoldenCheck, _ area: String) throws -> [RGBImage] {
        let area: Int = try check.parameter(area)
        return try check.pictures("images").map { try QwenImageEditPictureEncoder.scaled($0, toArea: area) }
    }

    /// The published areas.
    private func sizes(_ check: GoldenCheck) throws -> [String: Computed] {
        let traits = QwenImageEditFamily().traits
        let limits = SizeLimits(sideMultiple: 16, frameMultiple: 1, defaults: traits.defaults)
        let given = zip(try check.integers("width"), try check.integers("height"))
            .map { PictureSize(width: $0, height: $1) }
        func sides(_ rule: (PictureSize) -> PictureSize) -> Computed {
            .integers(given.map(rule).flatMap { [$0.height, $0.width] })
        }
        func scaled(_ size: PictureSize, _ area: Int) -> PictureSize {
            size.scaled(toArea: area, multiple: QwenImageEditPictureEncoder.multiple, .nearest)
        }
        return [
            "condition": sides { scaled($0, 384 * 384) }, "vae": sides { scaled($0, 1024 * 1024) },
            "output": sides { limits.usual(like: $0, multiple: QwenImageEditPictureEncoder.multiple) },
        ]
    }

    // MARK: Latents

    private func pictureEncoder(area: Int = 1024 * 1024) throws -> QwenImageEditPictureEncoder {
        let vae = try WanVAE(
            WeightReader(try Checkpoint(folder: "\(folder)/vae")),
            config: try WanVAEConfig.read("\(folder)/vae/config.json"), compute: compute)
        return QwenImageEditPictureEncoder(
            autoencoder: vae, packing: QwenImageEditFamily().traits.packing, area: area)
    }

    private func latents(_ check: GoldenCheck) throws -> Tensor {
        let encoder = try pictureEncoder()
        return Tensor.concatenate(
            try ["pixels0", "pixels1"].map { name in
                let frame = channelsLast(try check.input(name)[0])
                return packedTokens(try encoder.latent(of: frame, interrupt: {}))
            })
    }

    // MARK: Whole runs

    /// The whole way from the pictures and the prompt, where there is one, to the picture.
    func endToEnd(_ check: GoldenCheck) throws -> EndToEndCase {
        let pictures = try check.pictures("images")
        func conditioning(_ name: String) throws -> Conditioning? {
            guard let reference = check.inputs["\(name)_embeds"] else { return nil }
            guard let text = check.parameters[name] as? String else {
                return Conditioning(rows: reference.widened()[0])
            }
            var prompts = try QwenImageEditTextChecks(folder: folder, compute: compute).prompts
            prompts.area = try check.parameter("condition_area")
            return try prompts.encode(text, seeing: pictures, interrupt: {})
        }
        guard let positive = try conditioning("prompt") else {
            throw VerificationError.badFixture("\(check.name): the reference has no prompt_embeds")
        }
        var run = try shared.endToEnd(
            check, prompts: Prompted(positive: positive, negative: try conditioning("negative_prompt")))
        run.inputs = try pictureEncoder(area: check.parameter("vae_area")).inputs(
            of: GivenPictures(references: pictures), width: 0, height: 0, frames: 1, interrupt: {})
        run.computed["image_latents"] = .tensor(Tensor.concatenate(run.inputs.references.map(packedTokens)))
        if let component = check.parameters["transformer"] as? String { run.components["transformer"] = component }
        return run
    }
}
