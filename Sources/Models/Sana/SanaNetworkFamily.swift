import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// What SANA-Sprint and SANA have in common: the network's files, the text side, the autoencoder.
protocol SanaNetworkFamily: ModelFamily {
    /// Whether the network is told the scale of guidance.
    var embedsGuidance: Bool { get }
}

extension SanaNetworkFamily {
    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [
            transformer(checkpoint), Gemma2Encoder.recognise(checkpoint), AutoencoderDC.recognise(checkpoint),
        ].compactMap(\.self)
    }

    func ownsAdapter(modules: some Collection<String>) -> Bool {
        modules.contains { module in
            module.hasPrefix("transformer_blocks.")
                && [".attn1.", ".attn2.", ".ff.conv_"].contains { module.contains($0) }
        }
    }

    private func transformer(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let renamed = try checkpoint.renamed(by: SanaKeys.transformer)
        guard let bias = renamed.tensors["patch_embed.proj.bias"], renamed.tensors["caption_norm.weight"] != nil,
            let point = renamed.tensors["transformer_blocks.0.ff.conv_point.weight"],
            (renamed.tensors["time_embed.guidance_embedder.linear_1.weight"] != nil) == embedsGuidance
        else { return nil }
        var refusal: String?
        if renamed.tensors.keys.contains(where: { $0.hasPrefix("controlnet_blocks.") || $0.hasPrefix("input_block.") })
        {
            refusal = "it is a ControlNet of SANA; pictures are made from text alone"
        } else if renamed.tensors["transformer_blocks.0.ff.conv_temp.weight"] != nil || point.shape.count > 4 {
            refusal = "it is SANA-Video's, which is not built"
        }
        return FileIdentity(
            .expert,
            "\(embedsGuidance ? "SANA-Sprint" : "SANA") transformer, \(renamed.blocks(after: "transformer_blocks.")) blocks of "
                + "width \(bias.count)",
            architecture: "sana", family: self, refusal: refusal, keys: SanaKeys.transformer
        ) { reader, compute in
            _ = try network(reader, compute: compute)
        }
    }

    // MARK: Parts

    var networkKeys: KeyTable { SanaKeys.transformer }
    var textEncoders: [PartFiles] { [PartFiles("text_encoder", keys: Gemma2Keys.encoder)] }
    var autoencoder: PartFiles { PartFiles("vae", keys: AutoencoderDCKeys.vae) }

    func promptEncoder(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> any PromptEncoder {
        let reader = try readers.reader("text_encoder")
        return SanaPromptEncoder(
            tokenizer: try CarriedTokenizer.gemma(
                folder: { try tokenizer("tokenizer") }, encoder: reader.checkpoint),
            encoder: try Gemma2Encoder(reader, config: try Gemma2Config.of(reader.checkpoint), compute: compute))
    }

    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork {
        let config = try SanaTransformerConfig.of(reader.checkpoint)
        guard config.embedsGuidance == embedsGuidance else {
            throw ModelError.unsupported(
                folder: reader.checkpoint.path,
                reason: embedsGuidance
                    ? "guidance_embeds is false: a network of SANA 1.0 or 1.5, which is no few-step student (SanaPipeline runs it)"
                    : "guidance_embeds is true: a network of SANA-Sprint (SanaSprintPipeline runs it)")
        }
        return try SanaTransformer(reader, config: config, compute: compute)
    }

    func autoencoder(_ reader: WeightReader, compute: Compute) throws -> any Autoencoder {
        try AutoencoderDC(reader, config: try AutoencoderDCConfig.of(reader.checkpoint), compute: compute)
    }
}
