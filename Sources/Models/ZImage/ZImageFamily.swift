import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// Z-Image and Z-Image-Turbo, text to image.
struct ZImageFamily: ModelFamily {
    let name = "z-image"
    let traits = FamilyTraits(
        guidance: .fromCondition, guidesWithoutNegativePrompt: true,
        defaults: SizeLimits.Defaults(width: 1024, height: 1024, frames: 1, fps: 16), tiny: .pictures("taef1"))

    // MARK: Files

    let pipelineClasses = ["ZImagePipeline"]

    func refusal(ofPipelineClass name: String) -> String? {
        name.hasPrefix("ZImage")
            ? "of the Z-Image family text to image (ZImagePipeline) runs, nothing that starts from a picture" : nil
    }

    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [transformer(checkpoint), Qwen3Encoder.recognise(checkpoint), AutoencoderKL.recognise(checkpoint)]
            .compactMap(\.self)
    }

    func ownsAdapter(modules: some Collection<String>) -> Bool {
        modules.contains { module in
            ["layers.", "noise_refiner.", "context_refiner."].contains { module.hasPrefix($0) }
                && (module.contains(".attention.") || module.contains(".feed_forward."))
        }
    }

    private func transformer(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let renamed = try checkpoint.renamed(by: ZImageKeys.transformer)
        guard let bias = renamed.tensors["all_x_embedder.2-1.bias"], renamed.tensors["cap_pad_token"] != nil,
            renamed.tensors["noise_refiner.0.attention.norm_q.weight"] != nil
        else { return nil }
        let readsPictures = renamed.tensors.keys.contains { $0.hasPrefix("siglip_") }
        return FileIdentity(
            .expert, "Z-Image transformer, \(renamed.blocks(after: "layers.")) blocks of width \(bias.count)",
            // ComfyUI's GGUF files name the network that theirs grew out of.
            architecture: "lumina2", family: self,
            refusal: readsPictures ? "it reads pictures (Z-Image-Omni); only text to image is built" : nil,
            keys: ZImageKeys.transformer
        ) { reader, compute in
            _ = try network(reader, compute: compute)
        }
    }

    // MARK: Parts

    let networkKeys = ZImageKeys.transformer
    let textEncoders = [PartFiles("text_encoder", keys: Qwen3Keys.encoder)]
    let autoencoder = PartFiles("vae", keys: AutoencoderKLKeys.vae)

    func promptEncoder(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> any PromptEncoder {
        let reader = try readers.reader("text_encoder")
        let config = try QwenConfig.of(reader.checkpoint)
        return ZImagePromptEncoder(
            tokenizer: try CarriedTokenizer.bytePair(
                folder: { try tokenizer("tokenizer") }, encoder: reader.checkpoint),
            encoder: try Qwen3Encoder(
                reader, config: config, states: ZImagePromptEncoder.states(of: config), compute: compute))
    }

    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork {
        try ZImageTransformer(reader, config: try ZImageTransformerConfig.of(reader.checkpoint), compute: compute)
    }

    func autoencoder(_ reader: WeightReader, compute: Compute) throws -> any Autoencoder {
        try AutoencoderKL(reader, config: try AutoencoderKLConfig.of(reader.checkpoint), compute: compute)
    }

    func generators(experts: Int) throws -> [GeneratorSpec] { [try student(shift: 3), try teacher(shift: 6)] }

    /// Turbo and the base model differ in nothing but weights and the shift, 3 and 6.
    func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec] {
        guard case .flowMatchDefault(_, let shift) = spec.grid else { return [spec] }
        return shift < 5 ? [try student(shift: shift), try teacher(shift: 6)] : [try teacher(shift: shift)]
    }

    /// Turbo's eight evaluations, which its model card counts as nine; without guidance.
    private func student(shift: Double) throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "student", sampler: .euler, grid: .shifted(steps: 8, shift: shift),
            plan: PhasePlan(expert: "transformer", guidanceScale: 0))
    }

    /// The scale of guidance is one less than elsewhere.
    private func teacher(shift: Double) throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "teacher", sampler: .euler, grid: .shifted(steps: 50, shift: shift),
            plan: PhasePlan(expert: "transformer", guidanceScale: 4))
    }

    func checks(folder: String, compute: Compute) -> any FamilyChecks { ZImageChecks(folder: folder, compute: compute) }
}

extension ZImageTransformer: DenoisingNetwork {
    package var channels: Int { config.channels }
    package var textWidth: Int { config.captionDim }
    package var patch: [Int] { [1, config.patch, config.patch] }

    package func velocity(
        _ evaluation: Evaluation<Conditioning>, key: String, interrupt: () throws -> Void
    ) throws -> Tensor {
        let contexts = try evaluation.conditionings.map { conditioning in
            try conditioning.kept(for: key) { conditioning in
                let refined = try context(conditioning.rows, interrupt: interrupt)
                return Tensor.lasting(refined.copy)
            }
        }
        return try forward(
            latents: evaluation.latents, timesteps: evaluation.timesteps, contexts: contexts, interrupt: interrupt)
    }

    /// Products with weights, and the attention over the rows of picture and caption; the refining of a caption is done once.
    package func operations(latent: [Int], textRows: Int) -> Double {
        func rounded(_ rows: Int) -> Int { (rows + config.rowMultiple - 1) / config.rowMultiple * config.rowMultiple }
        let picture = rounded(latent.dropFirst().reduce(1, *) / (config.patch * config.patch))
        let (d, f) = (Double(config.dim), Double(config.ffnDim))
        func block(_ rows: Int) -> Double {
            let rows = Double(rows)
            return 2 * rows * d * (4 * d + 3 * f) + 4 * rows * rows * d
        }
        return Double(config.layers) * block(picture + rounded(textRows))
            + Double(config.refinerLayers) * block(picture)
    }
}
