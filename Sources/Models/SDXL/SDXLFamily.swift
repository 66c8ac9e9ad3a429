import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// SDXL and what was distilled from it: DMD2, Lightning, Turbo, Hyper-SD, LCM and TCD, which differ in weights and rules only.
struct SDXLFamily: ModelFamily {
    let name = "sdxl"
    let traits = FamilyTraits(
        guidance: .classifierFree, guidesWithoutNegativePrompt: true, absentNegativePrompt: SDXLPromptEncoder.absent,
        defaults: SizeLimits.Defaults(width: 1024, height: 1024, frames: 1, fps: 16), isDiscrete: true,
        tiny: .pictures("taesdxl"))

    /// A folder may say that the empty prompt stands for a negative one that was not given.
    func traits(of index: ModelIndex) -> FamilyTraits {
        var traits = traits
        if !index.zerosEmptyPrompt { traits.absentNegativePrompt = "" }
        return traits
    }

    // MARK: Files

    let pipelineClasses = ["StableDiffusionXLPipeline"]

    func refusal(ofPipelineClass name: String) -> String? {
        switch name {
        case "StableDiffusionXLImg2ImgPipeline": Self.refiner
        case let name where name.hasPrefix("StableDiffusionXL") && name.contains("Inpaint"): Self.inpainting
        case let name where name.hasPrefix("StableDiffusionXL"):
            "of SDXL the model from text (StableDiffusionXLPipeline) runs; what was trained beside it, such as ControlNet, "
                + "adapters and editing by instructions, is not built"
        case "LatentConsistencyModelPipeline": Self.older
        case let name where name.hasPrefix("StableDiffusion") && !name.hasPrefix("StableDiffusion3"): Self.older
        default: nil
        }
    }

    private static let refiner =
        "it is SDXL's refiner, which is not built: SDXL itself (stable-diffusion-xl-base-1.0, or a student of it) makes "
        + "whole pictures without one"
    private static let inpainting =
        "it is a model for inpainting, which is not built: use SDXL from text, which changes a given picture by `strength`"
    private static let older =
        "it is a Stable Diffusion 1.x or 2.x (as SD-Turbo and LCM_Dreamshaper are), which has one text encoder and is not "
        + "built: use a student of SDXL instead, such as SDXL-Turbo, which makes 512x512 in one step"

    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [unet(checkpoint)].compactMap(\.self) + CLIPTextEncoder.recognise(checkpoint)
            + [AutoencoderKL.recognise(checkpoint)].compactMap(\.self)
    }

    /// The numbered blocks of either way of naming, which no other family's network has.
    func ownsAdapter(modules: some Collection<String>) -> Bool {
        let blocks = ["down_blocks.", "up_blocks.", "mid_block.", "input_blocks.", "output_blocks.", "middle_block."]
        return modules.contains { module in blocks.contains { module.hasPrefix($0) } }
    }

    private func unet(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let renamed = try checkpoint.renamed(by: SDXLKeys.unet)
        guard let input = renamed.tensors["conv_in.weight"], input.shape.count == 4,
            renamed.tensors["time_embedding.linear_1.weight"] != nil,
            renamed.tensors["down_blocks.0.resnets.0.norm1.weight"] != nil
        else { return nil }
        let width = input.shape[0]
        let hasAdded = renamed.tensors["add_embedding.linear_1.weight"] != nil
        let refusal: String? =
            switch input.shape[1] {
            case 9: Self.inpainting
            case 4 where !hasAdded: Self.older
            // Of its four levels the published network has 384 channels in the first.
            case 4 where width == 384: Self.refiner
            case 4 where renamed.tensors[SDXLUNet.guidanceKey] != nil: SDXLUNet.guidanceRefusal
            case 4 where checkpoint.tensors["v_pred"] != nil:
                "it predicts velocities (v-prediction), which is not built: use a checkpoint that predicts noise"
            case 4: nil
            default: "it reads \(input.shape[1]) channels, and SDXL from text 4: it is a relative that is not built"
            }
        return FileIdentity(
            .expert, "\(hasAdded ? "SDXL" : "Stable Diffusion") U-Net of \(width) channels", architecture: "sdxl",
            family: self, refusal: refusal,
            keys: SDXLKeys.unet
        ) { reader, compute in
            _ = try network(reader, compute: compute)
        }
    }

    // MARK: Parts

    let networkKeys = SDXLKeys.unet
    let textEncoders = [
        PartFiles("text_encoder", keys: CLIPKeys.first), PartFiles("text_encoder_2", keys: CLIPKeys.second),
    ]
    let autoencoder = PartFiles("vae", keys: AutoencoderKLKeys.vae)

    func promptEncoder(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> any PromptEncoder {
        try prompts(readers, tokenizer: tokenizer, compute: compute)
    }

    func prompts(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> SDXLPromptEncoder {
        func encoder(_ name: String, hasProjection: Bool) throws -> CLIPTextEncoder {
            let reader = try readers.reader(name)
            return try CLIPTextEncoder(
                reader, config: try CLIPConfig.of(reader.checkpoint), hasProjection: hasProjection, compute: compute)
        }
        return SDXLPromptEncoder(
            tokenizer: try CLIPTokenizer(directory: try tokenizer("tokenizer")),
            tokenizer2: try secondTokenizer(tokenizer), encoder: try encoder("text_encoder", hasProjection: false),
            encoder2: try encoder("text_encoder_2", hasProjection: true))
    }

    /// The second tokenizer differs from the first in nothing but its padding.
    private func secondTokenizer(_ tokenizer: (String) throws -> URL) throws -> CLIPTokenizer {
        do {
            return try CLIPTokenizer(directory: try tokenizer("tokenizer_2"))
        } catch ModelError.noTokenizer {
            return try CLIPTokenizer(directory: try tokenizer("tokenizer"), padding: "!")
        }
    }

    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork {
        guard !reader.contains(SDXLUNet.guidanceKey) else {
            throw NetworkError.unsupported(file: reader.checkpoint.path, reason: SDXLUNet.guidanceRefusal)
        }
        return try SDXLUNet(reader, config: try SDXLUNetConfig.of(reader.checkpoint), compute: compute)
    }

    func autoencoder(_ reader: WeightReader, compute: Compute) throws -> any Autoencoder {
        try AutoencoderKL(reader, config: try AutoencoderKLConfig.of(reader.checkpoint), compute: compute)
    }

    // MARK: Ways to generate

    static let expert = "unet"

    func generators(experts: Int) throws -> [GeneratorSpec] { try students() + [teacher()] }

    func published(_ index: ModelIndex, experts: Int) -> PublishedSampling {
        PublishedSampling(isDiscrete: true, expert: Self.expert)
    }

    /// All ways, since LoRA files make a student of the base; the folder's own comes first.
    func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec] {
        let all = try generators(experts: 1)
        guard let own = all.first(where: { $0.sampler == spec.sampler && $0.grid == spec.grid }) else {
            return [spec] + all
        }
        return [own] + all.filter { $0.name != own.name }
    }

    private func students() throws -> [GeneratorSpec] {
        try [
            ("dmd2", .renoise, DiscreteGrid(.fixed([999, 749, 499, 249]), prediction: .consistency)),
            ("dmd2-1step", .renoise, DiscreteGrid(.fixed([399]), prediction: .consistency)),
            ("lightning", .euler, DiscreteGrid(.trailing, steps: 4)),
            ("lightning-x0", .euler, DiscreteGrid(.trailing, steps: 1, prediction: .sample)),
            ("turbo", .ancestral, DiscreteGrid(.trailing, steps: 1)),
            ("hyper", .ddim, DiscreteGrid(.trailing, steps: 4)),
            ("hyper-1step", .renoise, DiscreteGrid(.fixed([800]), prediction: .consistency)),
            ("tcd", .tcd, DiscreteGrid(.consistency, steps: 4, eta: 0.3)),
            ("lcm", .renoise, DiscreteGrid(.consistency, steps: 4, prediction: .consistency)),
        ].map { (name: String, sampler: SamplerKind, grid: DiscreteGrid) in
            try GeneratorSpec(
                name: name, sampler: sampler, grid: .discrete(grid),
                plan: PhasePlan(expert: Self.expert, guidanceScale: 0))
        }
    }

    private func teacher() throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "teacher", sampler: .euler, grid: .discrete(DiscreteGrid(.leading, steps: 30)),
            plan: PhasePlan(expert: Self.expert, guidanceScale: 5))
    }

    func checks(folder: String, compute: Compute) -> any FamilyChecks { SDXLChecks(folder: folder, compute: compute) }
}

extension SDXLUNet: DenoisingNetwork {
    package var channels: Int { config.inChannels }
    package var textWidth: Int { config.textDim }
    package var patch: [Int] { [1, 1, 1] }

    /// Pixels of a cell of the latent, along a side, as size ids count them.
    private static let cell = 8

    package func velocity(
        _ evaluation: Evaluation<Conditioning>, key: String, interrupt: () throws -> Void
    ) throws -> Tensor {
        let contexts = try evaluation.conditionings.map { conditioning in
            try conditioning.kept(for: key) { conditioning in
                let made = try context(conditioning.rows, interrupt: interrupt)
                return SDXLContext(
                    keys: made.keys.map { key in Tensor.lasting(key.copy) },
                    values: made.values.map { value in Tensor.lasting(value.copy) })
            }
        }
        let pooled = try evaluation.conditionings.map { conditioning in
            let pooled =
                conditioning.tensors[SDXLPromptEncoder.pooledName] ?? Tensor(zeros: [config.pooledDim])
            guard pooled.count == config.pooledDim else {
                throw ModelError.notAModel(
                    folder: "text_encoder_2",
                    reason: "it gives \(pooled.count) values for a text, the U-Net reads \(config.pooledDim)")
            }
            return pooled
        }
        let latents = evaluation.latents
        let (height, width) = (Float(latents.shape[3] * Self.cell), Float(latents.shape[4] * Self.cell))
        let ids = evaluation.timesteps.flatMap { _ -> [Float] in [height, width, 0, 0, height, width] }
        let embedding = embedding(evaluation.timesteps, pooled: stacked(pooled), ids: ids)
        let inputs = evaluation.timesteps.indices.map {
            DiscreteNoise.input(latents[$0], timestep: evaluation.timesteps[$0])
        }
        let outputs = try forward(
            latents: stacked(inputs), embedding: embedding, contexts: contexts, interrupt: interrupt)
        return stacked(
            evaluation.timesteps.indices.map { index in
                DiscreteNoise.velocity(
                    of: outputs[index], latent: latents[index], timestep: evaluation.timesteps[index],
                    prediction: evaluation.predictions[index])
            })
    }

    /// Products with weights, convolutions and attention; the keys and values of a text are made once.
    package func operations(latent: [Int], textRows: Int) -> Double {
        var cells = Double(latent.dropFirst().reduce(1, *))
        let widths = config.channels.map(Double.init)
        var sum = cells * 18 * widths[0] * Double(config.inChannels + config.outChannels)
        func resnet(_ inputs: Double, _ outputs: Double) -> Double {
            cells * (18 * outputs * (inputs + outputs) + (inputs == outputs ? 0 : 2 * inputs * outputs))
        }
        func transformer(_ level: Int) -> Double {
            guard config.depths[level] > 0 else { return 0 }
            let d = widths[level]
            let block = 2 * d * d * (4 + 2 + 12) + 4 * d * (cells + Double(textRows))
            return cells * (Double(config.depths[level]) * block + 4 * d * d)
        }
        let layers = config.layersPerBlock
        for level in widths.indices {
            let (own, before) = (widths[level], widths[max(level - 1, 0)])
            let after = widths[min(level + 1, widths.count - 1)]
            for layer in 0..<layers { sum += resnet(layer == 0 ? before : own, own) + transformer(level) }
            for layer in 0...layers {
                sum += resnet((layer == 0 ? after : own) + (layer == layers ? before : own), own) + transformer(level)
            }
            if level == widths.count - 1 {
                sum += 2 * resnet(own, own) + transformer(level)
            } else {
                // Down to the next level, and up from it.
                sum += cells * 18 * (own * own / 4 + after * after)
                cells /= 4
            }
        }
        return sum
    }
}
