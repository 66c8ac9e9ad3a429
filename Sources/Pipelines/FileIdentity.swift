import Models
import PromptText
import Tensor
import Weights

/// What a weight file holds, told by its keys and shapes: names of files say little, and often something else.
package struct FileIdentity: Sendable {
    package enum Part: String, Sendable {
        case expert
        case textEncoder = "text encoder"
        case vae = "VAE"
        case adapter = "LoRA"
    }

    package let part: Part
    /// Its network, e.g. `Wan text-to-video transformer, 40 blocks of width 5120`.
    package let name: String
    /// `general.architecture` in GGUF files.
    package let architecture: String
    /// Why it cannot be used here; nil if it can.
    package let refusal: String?

    private init(_ part: Part, _ name: String, architecture: String, refusal: String? = nil) {
        self.part = part
        self.name = name
        self.architecture = architecture
        self.refusal = refusal
    }

    /// Everything in a file: some hold several networks, each under a prefix.
    /// - Throws: `PipelineError.unknownFile` if no network here has such keys; `WeightError` for keys that collide.
    package static func all(in checkpoint: Checkpoint) throws -> [FileIdentity] {
        if let adapter = try adapter(checkpoint) { return [adapter] }
        let networks = try [wanTransformer, qwenImageTransformer, umt5, qwen25, vae].compactMap { try $0(checkpoint) }
        guard !networks.isEmpty else {
            throw PipelineError.unknownFile(
                file: checkpoint.path, keys: Array(checkpoint.tensors.keys.sorted().prefix(3)))
        }
        return networks
    }

    /// The part of that kind.
    /// - Throws: `PipelineError.wrongFile` that says what the file is instead.
    package static func of(_ checkpoint: Checkpoint, as part: Part) throws -> FileIdentity {
        let found = try all(in: checkpoint)
        guard let identity = found.first(where: { $0.part == part }) else {
            throw PipelineError.wrongFile(
                file: checkpoint.path, expected: part.rawValue, found: found.map(\.name).joined(separator: ", "))
        }
        return identity
    }

    /// Builds the network over the file's weights, which reads next to nothing.
    /// - Returns: keys that the network does not read.
    /// - Throws: `WeightError` or an error of its configuration, for keys that are missing or have other shapes.
    package func unusedKeys(in checkpoint: Checkpoint, compute: Compute) throws -> [String] {
        switch part {
        case .adapter: return []
        case .expert:
            let family = family()
            let reader = WeightReader(try checkpoint.renamed(by: family.transformerKeys))
            _ = try family.network(reader, compute: compute)
            return reader.unusedKeys
        case .textEncoder where architecture == Self.qwen25Architecture:
            let reader = WeightReader(try checkpoint.renamed(by: Qwen25Keys.encoder))
            _ = try Qwen25Encoder(reader, config: try Qwen25Config.of(reader.checkpoint), compute: compute)
            return reader.unusedKeys
        case .textEncoder:
            let reader = WeightReader(try checkpoint.renamed(by: UMT5Keys.encoder))
            _ = try UMT5Encoder(reader, config: try UMT5Config.of(reader.checkpoint), compute: compute)
            return reader.unusedKeys
        case .vae:
            let reader = WeightReader(try checkpoint.renamed(by: WanKeys.vae))
            _ = try WanVAE(reader, config: try WanVAEConfig.of(reader.checkpoint), compute: compute)
            return reader.unusedKeys
        }
    }

    /// Whether published models have several experts of this kind.
    package var isOneOfSeveral: Bool { part == .expert && architecture != Self.qwenImageArchitecture }

    /// The family that an expert is of.
    func family() -> any ModelFamily {
        architecture == Self.qwenImageArchitecture ? QwenImageFamily() : WanFamily()
    }

    private static let qwenImageArchitecture = "qwen_image"
    private static let qwen25Architecture = "qwen2vl"

    private static func adapter(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        guard Adapter.isAdapter(checkpoint) else { return nil }
        let adapter = try Adapter(file: checkpoint.path, strength: 1, rename: WanKeys.transformer.rename)
        let ranks = Set(adapter.updates.values.map { $0.down.shape[0] }).sorted().map(String.init)
        let network =
            if adapter.updates.keys.contains(where: { $0.hasPrefix("blocks.") && $0.contains(".attn1.") }) {
                "Wan"
            } else if adapter.updates.keys.contains(where: { $0.hasPrefix("transformer_blocks.") }) {
                "Qwen-Image"
            } else {
                "unknown"
            }
        return FileIdentity(
            .adapter,
            "LoRA of \(adapter.updates.count) layers and \(adapter.deltas.count) biases or norms, rank "
                + "\(ranks.joined(separator: ", ")), for \(network) transformers",
            architecture: "lora")
    }

    private static func wanTransformer(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: WanKeys.transformer).tensors
        guard let patch = tensors["patch_embedding.weight"], let bias = tensors["patch_embedding.bias"],
            tensors["blocks.0.attn1.to_q.weight"] != nil, bias.count > 0
        else { return nil }
        let blocks = Set(tensors.keys.filter { $0.hasPrefix("blocks.") }.map { $0.split(separator: ".")[1] }).count
        let channels = patch.count / bias.count / 4
        let outputs = (tensors["proj_out.bias"]?.count ?? 0) / 4
        let kind: (name: String, refusal: String?) =
            if tensors.keys.contains(where: { $0.hasPrefix("vace_") }) {
                ("VACE", "its control branch (vace_blocks) is not built")
            } else if tensors.keys.contains(where: { $0.contains("audio") || $0.contains("motion_encoder") }) {
                ("sound- or motion-driven", "its audio or motion layers are not built")
            } else if channels == 48, outputs == 48 {
                (
                    "text-and-image-to-video 5B (TI2V-5B)",
                    "it needs another VAE (48 channels, 16x16) and timesteps per token"
                )
            } else if channels > outputs {
                (
                    "image-to-video (I2V)",
                    "it reads \(channels) channels, the first frame among them; only text-to-video is built"
                )
            } else {
                ("text-to-video", nil)
            }
        return FileIdentity(
            .expert, "Wan \(kind.name) transformer, \(blocks) blocks of width \(bias.count)", architecture: "wan",
            refusal: kind.refusal)
    }

    private static func qwenImageTransformer(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: QwenImageKeys.transformer).tensors
        guard let bias = tensors["img_in.bias"], tensors["transformer_blocks.0.attn.add_q_proj.weight"] != nil
        else { return nil }
        let blocks = Set(
            tensors.keys.filter { $0.hasPrefix("transformer_blocks.") }.map { $0.split(separator: ".")[1] }
        ).count
        return FileIdentity(
            .expert, "Qwen-Image transformer, \(blocks) blocks of width \(bias.count)",
            architecture: qwenImageArchitecture)
    }

    private static func qwen25(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: Qwen25Keys.encoder).tensors
        let table = tensors["model.embed_tokens.weight"] ?? tensors["model.language_model.embed_tokens.weight"]
        // Biases of queries and keys are Qwen's.
        guard let table, table.shape.count == 2,
            tensors.keys.contains(where: { $0.hasSuffix("layers.0.self_attn.q_proj.bias") })
        else { return nil }
        return FileIdentity(
            .textEncoder, "Qwen2.5 text model of width \(table.shape[1]), vocabulary \(table.shape[0])",
            architecture: qwen25Architecture)
    }

    private static func umt5(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: UMT5Keys.encoder).tensors
        let relative = "layer.0.SelfAttention.relative_attention_bias.weight"
        guard let table = tensors["shared.weight"] ?? tensors["encoder.embed_tokens.weight"],
            tensors["encoder.block.0.\(relative)"] != nil, table.shape.count == 2
        else { return nil }
        // UMT5 has a table of positions in each block, T5 one for all.
        let isUMT5 = tensors["encoder.block.1.\(relative)"] != nil
        return FileIdentity(
            .textEncoder,
            "\(isUMT5 ? "UMT5" : "T5") text encoder of width \(table.shape[1]), vocabulary \(table.shape[0])",
            architecture: "t5encoder",
            refusal: isUMT5 ? nil : "Wan reads UMT5, which has positions in every block; this is a T5")
    }

    private static func vae(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: WanKeys.vae).tensors
        guard let input = tensors["decoder.conv_in.weight"], input.shape.count == 5,
            tensors["post_quant_conv.weight"] != nil
        else { return nil }
        let channels = input.shape[1]
        return FileIdentity(
            .vae, "Wan or Qwen-Image VAE, \(channels) latent channels", architecture: "wan_vae",
            refusal: channels == 16 ? nil : "it is the VAE of TI2V-5B; A14B and Wan2.1 use the one of 16 channels")
    }
}
