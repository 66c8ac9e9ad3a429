import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// FLUX.2-klein, distilled and base: text to image, and edits of reference pictures.
struct Flux2Family: ModelFamily {
    let name = "flux2-klein"
    let traits = FamilyTraits(
        guidance: .classifierFree, guidesWithoutNegativePrompt: true, packing: AutoencoderKLFlux2.patch,
        defaults: SizeLimits.Defaults(width: 1024, height: 1024, frames: 1, fps: 16),
        pictures: PictureInputs(references: 0...10, referenceSides: Flux2PictureEncoder.sides), tiny: .pictures("taef2")
    )

    // MARK: Files

    let pipelineClasses = ["Flux2KleinPipeline"]

    func refusal(ofPipelineClass name: String) -> String? {
        name.hasPrefix("Flux")
            ? "of the FLUX models FLUX.2-klein (Flux2KleinPipeline) runs, which makes and edits pictures; not FLUX.1, "
                + "FLUX.2-dev, inpainting or klein with kept keys and values" : nil
    }

    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [transformer(checkpoint), Qwen3Encoder.recognise(checkpoint), AutoencoderKLFlux2.recognise(checkpoint)]
            .compactMap(\.self)
    }

    func ownsAdapter(modules: some Collection<String>) -> Bool {
        modules.contains { $0.hasPrefix("transformer_blocks.") || $0.hasPrefix("single_transformer_blocks.") }
            // MLPs, modulations and attentions of streams are named otherwise by relatives.
            && !modules.contains { module in
                ["img_mlp", "txt_mlp", "img_mod", "txt_mod", "attn1", "attn2"].contains { module.contains(".\($0).") }
            }
    }

    private func transformer(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let renamed = try checkpoint.renamed(by: Flux2Keys.transformer)
        // FLUX.1 has most of the other names, but a modulation in each block.
        guard renamed.tensors["single_stream_modulation.linear.weight"] != nil,
            let input = renamed.tensors["x_embedder.weight"]
        else { return nil }
        let blocks = ["transformer_blocks.", "single_transformer_blocks."].map { renamed.blocks(after: $0) }
        let isGuided = renamed.tensors["time_guidance_embed.guidance_embedder.linear_1.weight"] != nil
        return FileIdentity(
            .expert,
            "FLUX.2 transformer, \(blocks[0]) double and \(blocks[1]) single blocks of width \(input.shape[0])",
            architecture: "flux", family: self,
            refusal: isGuided ? "it embeds a guidance scale (FLUX.2-dev); FLUX.2-klein runs" : nil,
            keys: Flux2Keys.transformer
        ) { reader, compute in
            _ = try network(reader, compute: compute)
        }
    }

    // MARK: Parts

    let networkKeys = Flux2Keys.transformer
    let textEncoders = [PartFiles("text_encoder", keys: Qwen3Keys.encoder)]
    let autoencoder = PartFiles("vae", keys: AutoencoderKLKeys.vae)

    func promptEncoder(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> any PromptEncoder {
        let reader = try readers.reader("text_encoder")
        return Flux2PromptEncoder(
            tokenizer: try CarriedTokenizer.bytePair(
                folder: { try tokenizer("tokenizer") }, encoder: reader.checkpoint),
            encoder: try Qwen3Encoder(
                reader, config: try QwenConfig.of(reader.checkpoint), states: Flux2PromptEncoder.states,
                compute: compute))
    }

    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork {
        try Flux2Transformer(reader, config: try Flux2TransformerConfig.of(reader.checkpoint), compute: compute)
    }

    func autoencoder(_ reader: WeightReader, compute: Compute) throws -> any Autoencoder {
        try AutoencoderKLFlux2(
            reader, config: try AutoencoderKLFlux2Config.of(reader.checkpoint), compute: compute)
    }

    func pictureEncoder(_ autoencoder: any Autoencoder) -> (any PictureEncoder)? {
        Flux2PictureEncoder(autoencoder: autoencoder, packing: traits.packing)
    }

    /// The published fit.
    static let shift = EmpiricalShift(
        few: EmpiricalShift.Line(steps: 10, slope: 8.73809524e-5, intercept: 1.89833333),
        many: EmpiricalShift.Line(steps: 200, slope: 0.00016927, intercept: 0.45666666), large: 4300)

    func generators(experts: Int) throws -> [GeneratorSpec] { [try student(), try teacher()] }

    func published(_ index: ModelIndex, experts: Int) -> PublishedSampling {
        PublishedSampling(guidanceScales: [index.isDistilled ? 1 : 5])
    }

    /// The index of a distilled model says that guidance is off; of the base model the index says nothing.
    func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec] {
        guard case .dynamic = spec.grid else {
            throw DiffusionError.configuration(
                file: "scheduler/scheduler_config.json", key: "use_dynamic_shifting",
                reason: "must be true: the shift of FLUX.2 follows from size and steps")
        }
        return [spec.plan.phases.allSatisfy { $0.guidanceScale <= 1 } ? try student() : try teacher()]
    }

    private func student() throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "student", sampler: .euler, grid: .empirical(steps: 4, shift: Self.shift),
            plan: PhasePlan(expert: "transformer", guidanceScale: 1))
    }

    private func teacher() throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "teacher", sampler: .euler, grid: .empirical(steps: 50, shift: Self.shift),
            plan: PhasePlan(expert: "transformer", guidanceScale: 4))
    }

    func checks(folder: String, compute: Compute) -> any FamilyChecks { Flux2Checks(folder: folder, compute: compute) }
}

extension Flux2Transformer: DenoisingNetwork {
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

    /// Products with weights, and the attention over text and pictures.
    package func operations(latent: [Int], textRows: Int) -> Double {
        let rows = Double(latent.dropFirst().reduce(1, *) + textRows)
        let (d, f) = (Double(config.dim), Double(config.mlpDim))
        let block = 2 * rows * d * (4 * d + 3 * f) + 4 * rows * rows * d
        return Double(config.doubleLayers + config.singleLayers) * block
    }
}
