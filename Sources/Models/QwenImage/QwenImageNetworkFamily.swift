import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// What the families over Qwen-Image's network have in common: the network's files and the autoencoder.
protocol QwenImageNetworkFamily: ModelFamily {
    /// Whether a network file is this family's: reference pictures are modulated by time 0, which files tell by a mark.
    func recognises(picturesAtZero: Bool) -> Bool
    /// What messages call such a file.
    var networkName: String { get }
    /// The steps of the published sampler.
    var teacherSteps: Int { get }
}

extension QwenImageNetworkFamily {
    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [
            transformer(checkpoint), QwenImageRelatives.part(checkpoint), Qwen25Encoder.recognise(checkpoint),
            QwenVisionTower.recognise(checkpoint), WanVAE.recognise(checkpoint),
        ]
        .compactMap(\.self)
    }

    private func transformer(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let renamed = try checkpoint.renamed(by: QwenImageKeys.transformer)
        guard let bias = renamed.tensors["img_in.bias"],
            renamed.tensors["transformer_blocks.0.attn.add_q_proj.weight"] != nil,
            recognises(picturesAtZero: renamed.tensors[QwenImageTransformer.zeroMark] != nil)
        else { return nil }
        let relative = QwenImageRelatives.network(keys: renamed.tensors.keys)
        let blocks = renamed.blocks(after: "transformer_blocks.")
        return FileIdentity(
            .expert, "\(relative?.name ?? networkName) transformer, \(blocks) blocks of width \(bias.count)",
            architecture: "qwen_image", family: self, refusal: relative?.refusal, keys: QwenImageKeys.transformer
        ) { reader, compute in
            _ = try network(reader, compute: compute)
        }
    }

    func ownsAdapter(modules: some Collection<String>) -> Bool {
        // Blocks of one stream, and MLPs of these names, are relatives'.
        modules.contains { $0.hasPrefix("transformer_blocks.") }
            && !modules.contains { module in
                module.hasPrefix("single_transformer_blocks.") || module.contains(".ff.")
                    || module.contains(".ff_context.") || module.hasSuffix(".attn.qkv")
                    || module.contains(".attn1.") || module.contains(".attn2.")
            }
    }

    // MARK: Parts

    var networkKeys: KeyTable { QwenImageKeys.transformer }
    var textEncoders: [PartFiles] { [PartFiles("text_encoder", keys: Qwen25Keys.encoder)] }
    var autoencoder: PartFiles { PartFiles("vae", keys: WanKeys.vae) }

    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork {
        try transformer(reader, compute: compute)
    }

    /// - Throws: `NetworkError.unsupported` for a relative's network.
    func transformer(_ reader: WeightReader, compute: Compute) throws -> QwenImageTransformer {
        if let relative = QwenImageRelatives.network(keys: reader.checkpoint.tensors.keys) {
            throw NetworkError.unsupported(
                file: reader.checkpoint.path, reason: "\(relative.name) transformer: \(relative.refusal)")
        }
        return try QwenImageTransformer(
            reader, config: try QwenImageTransformerConfig.of(reader.checkpoint), compute: compute)
    }

    func autoencoder(_ reader: WeightReader, compute: Compute) throws -> any Autoencoder {
        try WanVAE(reader, config: try WanVAEConfig.of(reader.checkpoint), compute: compute)
    }

    /// Lightning's four steps, of shift 3; the published shift by size, and true CFG.
    func generators(experts: Int) throws -> [GeneratorSpec] {
        let published = DynamicShift(
            baseShift: 0.5, maximumShift: 0.9, baseTokens: 256, maximumTokens: 8192, terminal: 0.02)
        return [
            try .distilled(steps: 4, shift: 3, boundary: nil),
            try GeneratorSpec(
                name: "teacher", sampler: .euler, grid: .dynamic(steps: teacherSteps, shift: published),
                plan: PhasePlan(expert: "transformer", guidanceScale: Self.teacherScale)),
        ]
    }

    /// The pipelines hand the scheduler a linear grid.
    func published(_ index: ModelIndex, experts: Int) -> PublishedSampling {
        PublishedSampling(steps: teacherSteps, guidanceScales: [Self.teacherScale], isGridLinear: true)
    }

    private static var teacherScale: Float { 4 }
}

/// Networks and parts that grew out of Qwen-Image's and are not built.
enum QwenImageRelatives {
    /// What a network of these keys is called, and why it is not run; nil for what may be one of Qwen-Image's own. The weights
    /// have the names and shapes of Qwen-Image's: one key more tells it.
    static func network(keys: some Collection<String>) -> (name: String, refusal: String)? {
        if keys.contains(where: { $0.hasPrefix("time_text_embed_2.") }) {
            return (
                "TwinFlow",
                "it is told a second time, to which a step goes, which is not built; use Qwen-Image with its Lightning LoRA"
            )
        }
        guard keys.contains("time_text_embed.addition_t_embedding.weight") else { return nil }
        return (
            "Qwen-Image-Layered",
            "it makes the layers of a picture, which is not built; use a text-to-image transformer (Qwen-Image, "
                + "Qwen-Image-2512) or one that edits (Qwen-Image-Edit-2509, -2511)"
        )
    }

    /// Parts of Qwen-Image-2.1, another network of one stream with an autoencoder of two-dimensional convolutions.
    static func part(_ checkpoint: Checkpoint) throws -> FileIdentity? {
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
            references: evaluation.inputs.map(\.references), interrupt: interrupt)
    }

    /// Products with weights of both streams, and the attention over both.
    package func operations(latent: [Int], textRows: Int) -> Double {
        let rows = Double(latent.dropFirst().reduce(1, *) + textRows)
        let d = Double(config.heads * config.headDim)
        return Double(config.layers) * (2 * rows * d * d * 12 + 4 * rows * rows * d)
    }
}
