import Diffusion
import Foundation
import Pictures
import Tensor
import Weights

/// The checks of the families over Wan's network, by name: which part of the code each one runs.
struct WanChecks: FamilyChecks {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        switch check.component {
        case "tokenizer", "text_encoder":
            return try WanTextChecks(folder: folder, compute: compute).run(check, extra: &extra)
        case "rope": return try rope(check)
        case "transformer", "transformer_2": return try transformer(check)
        case "vae", "vae_norm": return try WanVAEChecks(folder: folder, compute: compute).run(check)
        case "scheduler": return try SchedulerChecks(folder: folder).run(check)
        case "image": return try image(check)
        case "condition": return try condition(check)
        case "lora": return try lora(check, extra: &extra)
        case let name where name.hasPrefix("wan21_"):
            throw VerificationError.badFixture("\(check.name): \(WanRelatives.clipRefusal)")
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    // MARK: Transformer

    private func network(_ component: String, _ reader: WeightReader) throws -> WanTransformer {
        let config = try WanTransformerConfig.read("\(folder)/\(component)/config.json")
        return try WanTransformer(reader, config: config, compute: compute)
    }

    /// `rope_FxHxW` in latent cells; the reference repeats each angle for both members of its pair.
    private func rope(_ check: GoldenCheck) throws -> [String: Computed] {
        let cells = check.name.dropFirst("rope_".count).split(separator: "x").compactMap { Int($0) }
        guard cells.count == 3 else { throw VerificationError.unknownCheck(check.name) }
        let config = try WanTransformerConfig.read("\(folder)/transformer/config.json")
        let table = WanTransformer.rope(
            frames: cells[0] / config.patch[0], rows: cells[1] / config.patch[1], columns: cells[2] / config.patch[2],
            headDim: config.headDim)
        func repeated(_ x: Tensor) -> Computed {
            .tensor(Tensor(x.array.flatMap { [$0, $0] }, shape: [x.shape[0], 2 * x.shape[1]]))
        }
        return ["cos": repeated(table.cosine), "sin": repeated(table.sine)]
    }

    private func transformer(_ check: GoldenCheck) throws -> [String: Computed] {
        let reader = WeightReader(try Checkpoint(folder: "\(folder)/\(check.component)"))
        let network = try network(check.component, reader)
        let part = check.name.dropFirst(check.component.count + 1)
        if part == "condition_embedder" {
            let timesteps = try check.input("timestep").array
            let text = try check.input("text")
            let time = network.timeEmbedding(timesteps)
            let rows = text.reshaped([text.shape[0] * text.shape[1], text.shape[2]])
            return [
                "sinusoid": .tensor(timestepSinusoid(timesteps, width: network.config.freqDim)),
                "temb": .tensor(time.embedding),
                "timestep_proj": .tensor(
                    time.projection.reshaped([timesteps.count, 6 * network.config.dim])),
                "text": .tensor(
                    network.projectText(rows).reshaped([text.shape[0], text.shape[1], network.config.dim])),
            ]
        }
        if part.hasPrefix("block"), let index = Int(part.dropFirst(5).prefix { $0.isNumber }) {
            guard network.blocks.indices.contains(index) else { throw VerificationError.unknownCheck(check.name) }
            return try block(network.blocks[index], check, network.config)
        }
        if part.hasPrefix("forward") { return ["sample": .tensor(try forward(network, check))] }
        throw VerificationError.unknownCheck(check.name)
    }

    /// A block and its parts, the parts in the order of the reference: norm, attention, norm, attention, norm, MLP.
    private func block(
        _ block: WanBlock, _ check: GoldenCheck, _ config: WanTransformerConfig
    ) throws -> [String: Computed] {
        let hidden = try check.input("hidden_states")
        let x = hidden.reshaped([hidden.count / config.dim, config.dim])
        let text = try check.input("encoder_hidden_states")
        let context = block.keysValues(text.reshaped([text.count / config.dim, config.dim]), keyBias: nil)
        let time = try check.input("temb")
        let rope = RotaryTable(
            cosine: everyOther(try check.input("cos"), width: config.headDim),
            sine: everyOther(try check.input("sin"), width: config.headDim))

        let m = block.modulation(time)
        let a = compute.modulatedLayerNorm(x, scale: m.scale1, shift: m.shift1, eps: config.eps)
        let attn1 = block.selfAttention(a, batch: 1, rope: rope)
        let x1 = block.selfAttention(a, batch: 1, rope: rope, addingTo: GatedResidual(x, gate: m.gate1))
        let norm2 = block.norm2(x1)
        let attn2 = block.crossAttention(norm2, contexts: [context])
        let x2 = block.crossAttention(norm2, contexts: [context], addingTo: GatedResidual(x1))
        let f = compute.modulatedLayerNorm(x2, scale: m.scale2, shift: m.shift2, eps: config.eps)
        let parts: [String: Tensor] = [
            "mid.norm1": compute.layerNorm(x, eps: config.eps), "mid.attn1": attn1, "mid.norm2": norm2,
            "mid.attn2": attn2, "mid.norm3": compute.layerNorm(x2, eps: config.eps),
            "mid.ffn": block.feedForward(f),
            "out": block.forward(x, timeProjection: time, contexts: [context], rope: rope),
        ]
        return parts.mapValues { .tensor($0) }
    }

    private func everyOther(_ x: Tensor, width: Int) -> Tensor {
        let values = x.array
        return Tensor(
            stride(from: 0, to: values.count, by: 2).map { values[$0] }, shape: [values.count / width, width / 2])
    }

    private func forward(_ network: WanTransformer, _ check: GoldenCheck) throws -> Tensor {
        let text = try check.input("encoder_hidden_states")
        let contexts = (0..<text.shape[0]).map { network.context(TextEmbedding(padded: text[$0])) }
        let latents = try check.input("hidden_states")
        return try network.forward(
            latents: latents,
            timesteps: timesteps(try check.input("timestep"), frames: latents.shape[2] / network.config.patch[0]),
            contexts: contexts)
    }

    /// The times of frames, one for each frame of tokens, from times for each token, `[B, tokens]`.
    private func timesteps(_ given: Tensor, frames: Int) throws -> [Float] {
        guard given.shape.count == 2 else { return given.array }
        let area = given.shape[1] / frames
        let times = given.array
        let ofFrames = stride(from: 0, to: times.count, by: area).map { times[$0] }
        guard times.indices.allSatisfy({ times[$0] == ofFrames[$0 / area] }) else {
            throw VerificationError.badFixture("tokens of one frame have different times")
        }
        return ofFrames
    }

    // MARK: Pictures

    private func image(_ check: GoldenCheck) throws -> [String: Computed] {
        func pixels(_ fit: PictureFit) throws -> [String: Computed] {
            let picture = try check.picture("image").fitted(
                width: check.parameter("width"), height: check.parameter("height"), fit: fit)
            return ["pixels": .tensor(channelsFirst(picture.signed))]
        }
        func sizes(_ rule: (PictureSize, Int) -> PictureSize) throws -> Computed {
            let (heights, widths) = (try check.integers("height"), try check.integers("width"))
            return .integers(
                heights.indices.flatMap { index in
                    let size = rule(PictureSize(width: widths[index], height: heights[index]), index)
                    return [size.height, size.width]
                })
        }
        switch check.name {
        case "i2v_image_preprocess", "ti2v_image_preprocess": return try pixels(.stretch)
        case "ti2v_image_cover": return try pixels(.crop)
        case "i2v_clip_size":
            let areas = try check.integers("max_area")
            return [
                "diffusers": try sizes { $0.scaled(toArea: areas[$1], multiple: 16, .integerThenDown) },
                "original": try sizes { $0.scaled(toArea: areas[$1], multiple: 16, .down) },
            ]
        case "ti2v_clip_size":
            return ["size": try sizes { size, _ in size.nearestRatio(withinArea: 704 * 1280, multiple: 32) }]
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    /// What pictures of the reference, `[H, W, 3]` in [0, 1], are to the network.
    private func condition(_ check: GoldenCheck) throws -> [String: Computed] {
        let reader = WeightReader(try Checkpoint(folder: "\(folder)/vae"))
        let vae = try WanVAE(reader, config: try WanVAEConfig.read("\(folder)/vae/config.json"), compute: compute)
        let pictures = try pictures(check)
        let (width, height): (Int, Int) = (try check.parameter("width"), try check.parameter("height"))
        let latents = try check.input("latents")[0]
        guard check.name == "ti2v_condition" else {
            let inputs = try WanPictures(vae: vae).inputs(
                of: pictures, width: width, height: height, frames: check.parameter("num_frames"), interrupt: {})
            guard let channels = inputs.channels else { throw VerificationError.unknownCheck(check.name) }
            return [
                "mask": .tensor(channels.slice(0..<WanPictures.maskChannels)),
                "latent_condition": .tensor(channels.slice(WanPictures.maskChannels..<channels.shape[0])),
                "model_input": .tensor(Tensor.concatenate([latents, channels])),
            ]
        }
        let inputs = try WanFirstFrame(autoencoder: vae).inputs(
            of: pictures, width: width, height: height, frames: check.parameter("num_frames"), interrupt: {})
        let evaluation = Evaluation(
            latents: stacked([latents]), timesteps: try check.input("time").array, conditionings: [()], inputs: [inputs]
        )
        let tokens = latents.shape[2] * latents.shape[3] / 4
        let times = WanTransformer.timesteps(evaluation, framesPerToken: 1).flatMap {
            [Float](repeating: $0, count: tokens)
        }
        return [
            "latent_condition": .tensor(inputs.givenFrames ?? Tensor(zeros: [0])),
            "model_input": .tensor(inputs.restoring(latents)), "timestep": .tensor(Tensor(times, shape: [times.count])),
        ]
    }

    /// The pictures that a check starts from.
    func pictures(_ check: GoldenCheck) throws -> GivenPictures {
        func picture(_ name: String) throws -> RGBImage? {
            guard let values = check.inputs[name]?.widened() else { return nil }
            return try values.withUnsafe {
                try RGBImage(width: values.shape[1], height: values.shape[0], floats: $0.span, layout: .interleaved)
            }
        }
        return GivenPictures(first: try picture("image"), last: try picture("last_image"), fit: .stretch)
    }

    // MARK: LoRA

    private func lora(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        let component = check.name.hasPrefix("transformer_2") ? "transformer_2" : "transformer"
        let lora = LoRACheck(component: component, keys: WanKeys.transformer) { reader in
            try forward(network(component, reader), check)
        }
        return try lora.run(check, folder: folder, compute: compute, extra: &extra)
    }
}
