import Foundation
import PromptText
import Tensor
import Weights

/// What the families over Wan's network have in common: the network's files, the text side, the autoencoder.
protocol WanNetworkFamily: ModelFamily {
    /// What messages call the family's network.
    var kind: String { get }
    /// Whether published models have two experts.
    var hasTwoExperts: Bool { get }
    /// Whether a network file of these channels that came without a description is this family's.
    func recognises(inputs: Int, outputs: Int) -> Bool
    /// The channels that the network reads beside those of a latent of so many.
    func addedChannels(latent: Int) -> Int
}

extension WanNetworkFamily {
    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [transformer(checkpoint)].compactMap(\.self)
    }

    func ownsAdapter(modules: some Collection<String>) -> Bool {
        modules.contains { $0.hasPrefix("blocks.") && $0.contains(".attn1.") }
    }

    /// The family's network, if the file has one.
    func transformer(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let renamed = try checkpoint.renamed(by: WanKeys.transformer)
        let tensors = renamed.tensors
        guard let patch = tensors["patch_embedding.weight"], let bias = tensors["patch_embedding.bias"],
            tensors["blocks.0.attn1.to_q.weight"] != nil, bias.count > 0
        else { return nil }
        let channels = patch.count / bias.count / 4
        let outputs = (tensors["proj_out.bias"]?.count ?? 0) / 4
        guard recognises(inputs: channels, outputs: outputs) else { return nil }
        let relative = WanRelatives.relative(keys: tensors.keys, inputs: channels, outputs: outputs)
        let blocks = renamed.blocks(after: "blocks.")
        return FileIdentity(
            .expert, "Wan \(relative?.name ?? kind) transformer, \(blocks) blocks of width \(bias.count)",
            architecture: "wan", family: self, isOneOfSeveral: hasTwoExperts, refusal: relative?.refusal,
            keys: WanKeys.transformer
        ) { reader, compute in
            _ = try network(reader, compute: compute)
        }
    }

    // MARK: Parts

    var networkKeys: KeyTable { WanKeys.transformer }
    var textEncoders: [PartFiles] { [PartFiles("text_encoder", keys: UMT5Keys.encoder)] }
    var autoencoder: PartFiles { PartFiles("vae", keys: WanKeys.vae) }

    func promptEncoder(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> any PromptEncoder {
        let reader = try readers.reader("text_encoder")
        let encoder = try UMT5Encoder(reader, config: try UMT5Config.of(reader.checkpoint), compute: compute)
        return UMT5PromptEncoder(
            tokenizer: try CarriedTokenizer.unigram(
                folder: { try tokenizer("tokenizer") }, encoder: reader.checkpoint,
                rows: encoder.config.vocabulary),
            encoder: encoder)
    }

    /// - Throws: `NetworkError.unsupported` also for a network of another family.
    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork {
        let config = try WanTransformerConfig.of(reader.checkpoint)
        guard config.inChannels == config.outChannels + addedChannels(latent: config.outChannels) else {
            let other = config.inChannels > config.outChannels ? "an image-to-video" : "a text-to-video"
            throw NetworkError.unsupported(
                file: reader.checkpoint.path,
                reason: "\(config.inChannels) input and \(config.outChannels) output channels: \(other) network, where "
                    + "one of the kind \(kind) is needed")
        }
        let relative = WanRelatives.relative(
            keys: reader.checkpoint.tensors.keys, inputs: config.inChannels, outputs: config.outChannels)
        if let relative {
            throw NetworkError.unsupported(
                file: reader.checkpoint.path, reason: "Wan \(relative.name) transformer: \(relative.refusal)")
        }
        return try WanTransformer(reader, config: config, compute: compute)
    }

    func autoencoder(_ reader: WeightReader, compute: Compute) throws -> any Autoencoder {
        try WanVAE(reader, config: try WanVAEConfig.of(reader.checkpoint), compute: compute)
    }

    func checks(folder: String, compute: Compute) -> any FamilyChecks { WanChecks(folder: folder, compute: compute) }
}

/// Networks that grew out of Wan's and are not built.
enum WanRelatives {
    static let clipRefusal =
        "Wan2.1 image-to-video, which also reads CLIP's view of the picture, is not built; use Wan2.2-I2V-A14B, which "
        + "reads none"

    private static let advice = "use a text-to-video or image-to-video network (Wan2.2-T2V-A14B, Wan2.2-I2V-A14B)"

    /// What such a network is called, and why it is not run; nil for what may be one of Wan's own.
    static func relative(
        keys: some Collection<String>, inputs: Int, outputs: Int
    ) -> (name: String, refusal: String)? {
        if keys.contains(where: { $0.hasPrefix("vace_") }) {
            return ("VACE", "its control branch (vace_blocks) is not built; \(advice)")
        }
        if keys.contains(where: { $0.contains("audio") || $0.contains("motion_encoder") }) {
            return ("sound- or motion-driven", "its audio or motion layers are not built; \(advice)")
        }
        if keys.contains(where: { $0.contains(".to_gate_compress.") }) {
            return (
                "VSA",
                "it was trained with FastVideo's sparse attention, whose gate (to_gate_compress) is not built; of FastVideo's "
                    + "students FastWan2.2-TI2V-5B-FullAttn runs"
            )
        }
        if keys.contains(where: { $0.hasPrefix("img_emb.") || $0.hasPrefix("condition_embedder.image_embedder.") }) {
            return ("2.1 image-to-video (I2V)", clipRefusal)
        }
        if inputs != outputs, inputs != 2 * outputs + WanPictures.maskChannels {
            return (
                "control",
                "it reads \(inputs) channels and gives \(outputs), which no network that is built does; \(advice)"
            )
        }
        return nil
    }
}
