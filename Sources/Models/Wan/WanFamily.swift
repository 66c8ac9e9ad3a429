import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// Wan2.1 and Wan2.2, text to video.
struct WanFamily: ModelFamily {
    let name = "wan22"
    let traits = FamilyTraits(
        guidance: .classifierFree, guidesWithoutNegativePrompt: true,
        // The published models' own.
        defaults: SizeLimits.Defaults(width: 832, height: 480, frames: 81, fps: 16))

    // MARK: Files

    let pipelineClasses = ["WanPipeline"]

    func refusal(ofPipelineClass name: String) -> String? {
        if name == "WanDMDPipeline" {
            return "FastVideo's few-step text to video, whose scheduler is not run; give its parts by --expert, "
                + "--text-encoder, --tokenizer and --vae, and its steps by --phases"
        }
        return name.hasPrefix("Wan")
            ? "of the Wan family text to video (WanPipeline) runs, nothing that starts from a picture" : nil
    }

    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [transformer(checkpoint), UMT5Encoder.recognise(checkpoint), WanVAE.recognise(checkpoint)].compactMap(
            \.self)
    }

    func ownsAdapter(modules: some Collection<String>) -> Bool {
        modules.contains { $0.hasPrefix("blocks.") && $0.contains(".attn1.") }
    }

    private func transformer(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let renamed = try checkpoint.renamed(by: WanKeys.transformer)
        let tensors = renamed.tensors
        guard let patch = tensors["patch_embedding.weight"], let bias = tensors["patch_embedding.bias"],
            tensors["blocks.0.attn1.to_q.weight"] != nil, bias.count > 0
        else { return nil }
        let blocks = renamed.blocks(after: "blocks.")
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
            family: self, isOneOfSeveral: true, refusal: kind.refusal, keys: WanKeys.transformer
        ) { reader, compute in
            _ = try network(reader, compute: compute)
        }
    }

    // MARK: Parts

    let networkKeys = WanKeys.transformer
    let textEncoders = [PartFiles("text_encoder", keys: UMT5Keys.encoder)]
    let autoencoder = PartFiles("vae", keys: WanKeys.vae)

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

    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork {
        try WanTransformer(reader, config: try WanTransformerConfig.of(reader.checkpoint), compute: compute)
    }

    func autoencoder(_ reader: WeightReader, compute: Compute) throws -> any Autoencoder {
        try WanVAE(reader, config: try WanVAEConfig.of(reader.checkpoint), compute: compute)
    }

    /// Lightning's and Phased DMD's four steps; diffusers' UniPC with the published guidance. Wan2.2 has two experts, which
    /// meet at 0.875; Wan2.1 has one.
    func generators(experts: Int) throws -> [GeneratorSpec] {
        let boundary = experts > 1 ? 0.875 : nil
        let teacher =
            if let boundary {
                try PhasePlan(boundary: boundary, guidanceScales: (4, 3))
            } else {
                try PhasePlan(expert: "transformer", guidanceScale: 5)
            }
        return [
            try .distilled(steps: 4, shift: 5, boundary: boundary),
            try GeneratorSpec(
                name: "teacher", sampler: .uniPC, grid: .uniPCFlow(steps: experts > 1 ? 40 : 50, shift: 3),
                plan: teacher),
        ]
    }

    func checks(folder: String, compute: Compute) -> any FamilyChecks { WanChecks(folder: folder, compute: compute) }
}

extension WanTransformer: DenoisingNetwork {
    package var channels: Int { config.inChannels }
    package var textWidth: Int { config.textDim }
    package var patch: [Int] { config.patch }

    package func velocity(
        _ evaluation: Evaluation<Conditioning>, key: String, interrupt: () throws -> Void
    ) throws -> Tensor {
        let contexts = evaluation.conditionings.map { conditioning in
            conditioning.kept(for: key) {
                context(TextEmbedding(rows: $0.rows, paddedLength: UMT5PromptEncoder.wanLength))
            }
        }
        return try forward(
            latents: evaluation.latents, timesteps: evaluation.timesteps, contexts: contexts, interrupt: interrupt)
    }

    /// Products with weights, self-attention, cross-attention.
    package func operations(latent: [Int], textRows: Int) -> Double {
        let tokens = Double(latent.dropFirst().reduce(1, *) / config.patch.reduce(1, *))
        let (n, d, f) = (Double(textRows), Double(config.dim), Double(config.ffnDim))
        let projections = 2 * tokens * d * d * 6 + 4 * tokens * d * f
        let attention = 4 * tokens * tokens * d + 4 * tokens * n * d
        return Double(config.layers) * (projections + attention)
    }
}
