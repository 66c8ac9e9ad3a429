import Diffusion
import Foundation
import Tensor
import Weights

/// The checks of the `z-image` family, by name: which part of the code each one runs.
struct ZImageChecks: FamilyChecks {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        switch check.component {
        case "tokenizer", "text_encoder": return try ZImageTextChecks(folder: folder, compute: compute).run(check)
        case "rope" where check.name == "text_encoder_rope":
            return try ZImageTextChecks(folder: folder, compute: compute).run(check)
        case "rope": return try rope(check)
        case "transformer": return try transformer(check)
        case "vae", "vae_norm": return try AutoencoderKLChecks(folder: folder, compute: compute).run(check)
        case "scheduler" where check.name == "guidance_rule": return try guidance(check)
        case "scheduler": return try SchedulerChecks(folder: folder).run(check)
        case "lora": return try lora(check, extra: &extra)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    // MARK: Positions

    private func rope(_ check: GoldenCheck) throws -> [String: Computed] {
        let grid: [Int] = try check.parameter("grid")
        let count: Int = try check.parameter("caption")
        guard grid.count == 3, grid[0] == 1 else { throw VerificationError.unknownCheck(check.name) }
        let network = try network(WeightReader(try Checkpoint(folder: "\(folder)/transformer")))
        let caption = (count + network.config.rowMultiple - 1) / network.config.rowMultiple * network.config.rowMultiple
        let text = network.captionRope(rows: caption)
        let image = network.imageRope(after: caption, rows: grid[1], columns: grid[2])
        func positions(_ rows: Int, _ position: (Int, Int) -> Int) -> Computed {
            .integers((0..<rows).flatMap { row in (0..<3).map { position(row, $0) } })
        }
        return [
            "cap_cos": .tensor(text.cosine), "cap_sin": .tensor(text.sine), "img_cos": .tensor(image.cosine),
            "img_sin": .tensor(image.sine),
            "cap_ids": positions(caption, ZImageTransformer.captionPosition),
            "img_ids": positions(image.cosine.shape[0]) {
                ZImageTransformer.imagePosition(row: $0, axis: $1, after: caption, rows: grid[1], columns: grid[2])
            },
        ]
    }

    // MARK: Transformer

    private func network(_ reader: WeightReader) throws -> ZImageTransformer {
        let config = try ZImageTransformerConfig.read("\(folder)/transformer/config.json")
        return try ZImageTransformer(reader, config: config, compute: compute)
    }

    private func transformer(_ check: GoldenCheck) throws -> [String: Computed] {
        let network = try network(WeightReader(try Checkpoint(folder: "\(folder)/transformer")))
        let config = network.config
        if check.name == "pack_latents" { return try pack(network, check) }
        let part = check.name.dropFirst("transformer_".count)
        func numbered(_ prefix: String, _ blocks: [ZImageBlock]) throws -> [String: Computed]? {
            guard part.hasPrefix(prefix), let index = Int(part.dropFirst(prefix.count).prefix { $0.isNumber }) else {
                return nil
            }
            guard blocks.indices.contains(index) else { throw VerificationError.unknownCheck(check.name) }
            return try block(blocks[index], check, config)
        }
        switch part {
        case "time_embed":
            let times = try check.input("timestep").array
            return [
                "sinusoid": .tensor(
                    timestepSinusoid(times.map { $0 * config.timeScale }, width: config.frequencies)),
                "temb": .tensor(network.timeEmbedding(times)),
            ]
        case "caption_embed", "caption_embed_small":
            return ["y": .tensor(network.embeddedCaption(try check.input("encoder_hidden_states")[0]))]
        case "final_layer", "final_layer_small":
            return [
                "y": .tensor(network.patches(from: try check.input("hidden_states")[0], time: try check.input("temb")))
            ]
        case let name where name.hasPrefix("forward"): return ["sample": .tensor(try forward(network, check))]
        default:
            let results =
                try numbered("noise_refiner", network.noiseRefiner)
                ?? numbered("context_refiner", network.contextRefiner) ?? numbered("block", network.blocks)
            guard let results else { throw VerificationError.unknownCheck(check.name) }
            return results
        }
    }

    private func pack(_ network: ZImageTransformer, _ check: GoldenCheck) throws -> [String: Computed] {
        let latents = oneFrame(try check.input("latents"))
        let grid = TokenGrid(latents: latents.shape, patch: [1, 2, 2])
        let patches = grid.tokens(of: latents, channelFastest: true)
        return [
            "packed": .tensor(patches), "embedded": .tensor(network.embeddedPatches(patches)),
            "unpacked": .tensor(grid.latents(from: patches, channels: network.config.channels)),
        ]
    }

    /// A block and its parts.
    private func block(
        _ block: ZImageBlock, _ check: GoldenCheck, _ config: ZImageTransformerConfig
    ) throws -> [String: Computed] {
        let x = try check.input("hidden_states")[0]
        let rope = RotaryTable(cosine: try check.input("cos"), sine: try check.input("sin"))
        let sequences = ZImageSequences([rope])
        let time = check.inputs["temb"]?.widened()
        var results = ["out": block.forward(x, sequences, time: time)]
        func norm(_ y: Tensor, _ weight: Tensor) -> Tensor { compute.rmsNorm(y, weight: weight, eps: config.eps) }
        // What the reference gave its modules: the norms' outputs before they are scaled, and what follows the scaled ones.
        if check.outputs["mid.attn"] != nil {
            let norms = block.norms(time)
            let attended = block.attention(norm(x, norms.attention1), sequences)
            let y = compute.rmsNorm(attended, weight: norms.attention2, eps: config.eps, addingTo: x)
            let fed = block.feedForward(norm(y, norms.ffn1))
            results["mid.norm1"] = norm(x, block.attentionNorm1)
            results["mid.attn"] = attended
            results["mid.norm2"] = norm(attended, block.attentionNorm2)
            results["mid.ffn_norm1"] = norm(y, block.ffnNorm1)
            results["mid.ffn"] = fed
            results["mid.ffn_norm2"] = norm(fed, block.ffnNorm2)
        }
        return results.mapValues { .tensor($0) }
    }

    /// Padded rows of captions, which the reference masks, are left out.
    private func forward(_ network: ZImageTransformer, _ check: GoldenCheck) throws -> Tensor {
        let captions = try check.input("encoder_hidden_states")
        let mask = check.inputs["encoder_hidden_states_mask"]?.integers
        let length = captions.shape[1]
        let contexts = try (0..<captions.shape[0]).map { entry in
            let count = mask.map { $0[entry * length..<(entry + 1) * length].reduce(0, +) } ?? length
            return try network.context(captions[entry].slice(0..<count))
        }
        return try network.output(
            latents: oneFrame(try check.input("hidden_states")), times: try check.input("timestep").array,
            contexts: contexts)
    }

    private func lora(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        let lora = LoRACheck(component: "transformer", keys: ZImageKeys.transformer) { reader in
            try forward(network(reader), check)
        }
        return try lora.run(check, folder: folder, compute: compute, extra: &extra)
    }

    // MARK: Guidance

    private func guidance(_ check: GoldenCheck) throws -> [String: Computed] {
        let plan = try PhasePlan(expert: "transformer", guidanceScale: Float(check.number("guidance_scale")))
        let (positive, negative) = (try check.input("positive"), try check.input("negative"))
        func guided(_ limit: Float?) throws -> Computed {
            let guidance = try Guidance(rule: .init(.fromCondition, normLimit: limit), plan: plan)
            return .tensor(
                stacked(
                    (0..<positive.shape[0]).map {
                        guidance.combine(cond: positive[$0], uncond: negative[$0], phase: 0)
                    }))
        }
        return ["plain": try guided(nil), "norm1": try guided(1), "norm0.7": try guided(0.7)]
    }
}

/// `[B, C, h, w]` -> `[B, C, 1, h, w]`.
func oneFrame(_ x: Tensor) -> Tensor { x.reshaped([x.shape[0], x.shape[1], 1, x.shape[2], x.shape[3]]) }
