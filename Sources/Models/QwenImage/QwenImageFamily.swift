import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// Qwen-Image, text to image.
struct QwenImageFamily: ModelFamily {
    let name = "qwen-image"
    let traits = FamilyTraits(
        guidance: .normPreserving,
        // As in diffusers' `true_cfg_scale`, which does nothing without a negative prompt.
        guidesWithoutNegativePrompt: false, packing: 2,
        defaults: SizeLimits.Defaults(width: 1024, height: 1024, frames: 1, fps: 16), tiny: .clips("taew2_1"))

    // MARK: Files

    let pipelineClasses = ["QwenImagePipeline"]

    func refusal(ofPipelineClass name: String) -> String? {
        name.hasPrefix("QwenImage")
            ? "of the Qwen-Image family text to image (QwenImagePipeline) runs, nothing that starts from a picture"
            : nil
    }

    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [
            transformer(checkpoint), Self.successor(checkpoint), Qwen25Encoder.recognise(checkpoint),
            WanVAE.recognise(checkpoint),
        ]
        .compactMap(\.self)
    }

    func ownsAdapter(modules: some Collection<String>) -> Bool {
        // Blocks of one stream, and MLPs of these names, are relatives'.
        modules.contains { $0.hasPrefix("transformer_blocks.") }
            && !modules.contains { module in
                module.hasPrefix("single_transformer_blocks.") || module.contains(".ff.")
                    || module.contains(".ff_context.") || module.hasSuffix(".attn.qkv")
            }
    }

    private func transformer(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let renamed = try checkpoint.renamed(by: QwenImageKeys.transformer)
        guard let bias = renamed.tensors["img_in.bias"],
            renamed.tensors["transformer_blocks.0.attn.add_q_proj.weight"] != nil
        else { return nil }
        let blocks = renamed.blocks(after: "transformer_blocks.")
        // The weights of these two have the names and shapes of Qwen-Image's: one key more tells them apart.
        let kind: (name: String, refusal: String?) =
            if renamed.tensors["__index_timestep_zero__"] != nil {
                ("Qwen-Image-Edit (2511)", "it starts from pictures, which is not built; \(Self.advice)")
            } else if renamed.tensors["time_text_embed.addition_t_embedding.weight"] != nil {
                ("Qwen-Image-Layered", "it makes the layers of a picture, which is not built; \(Self.advice)")
            } else {
                ("Qwen-Image", nil)
            }
        return FileIdentity(
            .expert, "\(kind.name) transformer, \(blocks) blocks of width \(bias.count)",
            architecture: "qwen_image", family: self, refusal: kind.refusal, keys: QwenImageKeys.transformer
        ) { reader, compute in
            _ = try network(reader, compute: compute)
        }
    }

    private static let advice = "use a text-to-image transformer (Qwen-Image, Qwen-Image-2512)"

    /// Parts of Qwen-Image-2.1, another network of one stream with an autoencoder of two-dimensional convolutions.
    private static func successor(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: QwenImageKeys.transformer).tensors
        let found: (part: FileIdentity.Part, name: String)? =
            if tensors["txt_in.text_norm.weight"] != nil,
                tensors["transformer_blocks.0.img_mlp.gate_layer.weight"] != nil
            {
                (.expert, "Qwen-Image-2.1 transformer")
            } else if tensors["decoder.conv_in.weight"]?.shape.count == 4,
                tensors["encoder.down_blocks.0.resnets.0.norm1.gamma"] != nil
            {
                (.vae, "Qwen-Image-2.1 VAE")
            } else {
                nil
            }
        return found.map {
            FileIdentity(
                $0.part, $0.name, architecture: "qwen_image",
                refusal: "Qwen-Image-2.1 is not built; use the files of Qwen-Image or Qwen-Image-2512",
                keys: QwenImageKeys.transformer
            ) { _, _ in }
        }
    }

    // MARK: Parts

    let networkKeys = QwenImageKeys.transformer
    let textEncoders = [PartFiles("text_encoder", keys: Qwen25Keys.encoder)]
    let autoencoder = PartFiles("vae", keys: WanKeys.vae)

    func promptEncoder(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> any PromptEncoder {
        let reader = try readers.reader("text_encoder")
        return QwenImagePromptEncoder(
            tokenizer: try CarriedTokenizer.bytePair(
                folder: { try tokenizer("tokenizer") }, encoder: reader.checkpoint),
            encoder: try Qwen25Encoder(reader, config: try QwenConfig.of(reader.checkpoint), compute: compute))
    }

    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork {
        try QwenImageTransformer(reader, config: try QwenImageTransformerConfig.of(reader.checkpoint), compute: compute)
    }

    func autoencoder(_ reader: WeightReader, compute: Compute) throws -> any Autoencoder {
        try WanVAE(reader, config: try WanVAEConfig.of(reader.checkpoint), compute: compute)
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

    func checks(folder: String, compute: Compute) -> any FamilyChecks {
        QwenImageChecks(folder: folder, compute: compute)
    }
}

extension QwenImageTransformer: DenoisingNetwork {
    package var channels: Int { config.inChannels }
    package var textWidth: Int { config.textDim }
    /// Latents come packed.
    package var patch: [Int] { [1, 1, 1] }

    package func velocity(
        _ evaluation: Evaluation<Conditioning>, key: String, interrupt: () throws -> Void
    ) throws -> Tensor {
        try forward(
            latents: evaluation.latents, timesteps: evaluation.timesteps, texts: evaluation.conditionings.map(\.rows),
            interrupt: interrupt)
    }

    /// Products with weights of both streams, and the attention over both.
    package func operations(latent: [Int], textRows: Int) -> Double {
        let rows = Double(latent.dropFirst().reduce(1, *) + textRows)
        let d = Double(config.heads * config.headDim)
        return Double(config.layers) * (2 * rows * d * d * 12 + 4 * rows * rows * d)
    }
}
