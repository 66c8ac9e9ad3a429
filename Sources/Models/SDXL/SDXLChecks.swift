import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// The checks of the `sdxl` family, by name: which part of the code each one runs.
struct SDXLChecks: FamilyChecks {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        switch check.component {
        case "tokenizer", "text_encoder", "text_encoder_2":
            return try SDXLTextChecks(folder: folder, compute: compute).run(check)
        case "unet": return try unet(check)
        case "vae", "vae_norm": return try AutoencoderKLChecks(folder: folder, compute: compute).run(check)
        case "scheduler": return try SDXLSchedulerChecks().run(check)
        case "lora" where check.name.hasPrefix("unet_lora"):
            let lora = LoRACheck(component: "unet", keys: SDXLKeys.unet) { reader in
                try forward(network(reader), check)
            }
            return try lora.run(check, folder: folder, compute: compute, extra: &extra)
        case "lora":
            let strength = Float(try check.number("strength"))
            let files: [String] = try check.parameter("files")
            return try SDXLTextChecks(folder: folder, compute: compute, loras: files.map { ($0, strength) }).run(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private func reader() throws -> WeightReader { WeightReader(try Checkpoint(folder: "\(folder)/unet")) }

    private func network(_ reader: WeightReader) throws -> SDXLUNet {
        try SDXLUNet(reader, config: try SDXLUNetConfig.read("\(folder)/unet/config.json"), compute: compute)
    }

    private func unet(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "unet_time_embed":
            let network = try network(reader())
            let (times, pooled) = (try check.input("timestep").array, try check.input("text_embeds"))
            let ids = try check.input("time_ids").array
            return [
                "sinusoid": .tensor(timestepSinusoid(times, width: network.config.channels[0])),
                "time_ids_sinusoid": .tensor(network.idSinusoid(ids)), "temb": .tensor(network.timeEmbedding(times)),
                "added": .tensor(network.addedEmbedding(pooled: pooled, ids: ids)),
                "emb": .tensor(network.embedding(times, pooled: pooled, ids: ids)),
            ]
        case let name where name.hasPrefix("unet_part_"): return try part(check)
        case let name where name.hasPrefix("unet_forward"):
            return ["sample": .tensor(try forward(network(reader()), check))]
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    /// The network's own answer; the latents are of variance 1.
    private func forward(_ network: SDXLUNet, _ check: GoldenCheck) throws -> Tensor {
        let texts = try check.input("encoder_hidden_states")
        return try network.forward(
            latents: oneFrame(try check.input("hidden_states")),
            embedding: network.embedding(
                check.input("timestep").array, pooled: check.input("text_embeds"), ids: check.input("time_ids").array),
            contexts: (0..<texts.shape[0]).map { try network.context(texts[$0]) })
    }

    // MARK: Parts

    private func part(_ check: GoldenCheck) throws -> [String: Computed] {
        let config = try SDXLUNetConfig.read("\(folder)/unet/config.json")
        let path: String = try check.parameter("module")
        let module = try reader().scope(path)
        let numbers = path.split(separator: ".").compactMap { Int($0) }
        let last = config.channels.count - 1
        let place = numbers.first ?? last
        let level = path.hasPrefix("up_blocks") ? last - place : path.hasPrefix("mid_block") ? last : place
        guard config.channels.indices.contains(level) else { throw VerificationError.unknownCheck(check.name) }
        switch check.name {
        case "unet_part_resnet", "unet_part_resnet_small":
            let x = try cells(check, "x")
            let resnet = try SDXLResnet(
                module, inputs: x.shape[3], outputs: config.channels[level], config: config, compute: compute)
            return ["y": picture(resnet.forward(x, time: try time(check)))]
        case "unet_part_transformer", "unet_part_transformer_small":
            let transformer = try SDXLTransformer(module, level: level, first: 0, config: config, compute: compute)
            let contexts = try contexts(check, transformer.blocks)
            let x = try cells(check, "x")
            return [
                "y": picture(transformer.forward(x, contexts: contexts)), "mid.norm": picture(transformer.normed(x)),
                "mid.block0": .tensor(transformer.firstBlock(x, contexts: contexts)),
            ]
        case "unet_part_basic_block", "unet_part_basic_block_small": return try block(module, level, config, check)
        case "unet_part_mid_block":
            var blocks = 0
            let middle = try SDXLMiddle(module, blocks: &blocks, config: config, compute: compute)
            let contexts = try contexts(check, middle.transformer.blocks)
            return ["y": picture(try middle.forward(cells(check, "x"), time(check), contexts) {})]
        case "unet_part_downsample", "unet_part_upsample":
            let x = try cells(check, "x")
            return try sampler(path, x, level, config, check)
        default: return try whole(module, path, level, config, check)
        }
    }

    private func block(
        _ module: WeightReader, _ level: Int, _ config: SDXLUNetConfig, _ check: GoldenCheck
    ) throws -> [String: Computed] {
        let block = try SDXLTransformerBlock(module, level: level, place: 0, config: config, compute: compute)
        let contexts = try contexts(check, [block])
        let x = try check.input("x")[0]
        let normed1 = block.normed(x, 0)
        let y = block.selfAttention(normed1, pictures: 1, addingTo: x)
        let normed2 = block.normed(y, 1)
        let z = block.crossAttention(normed2, contexts: contexts, addingTo: y)
        let normed3 = block.normed(z, 2)
        return [
            "y": block.forward(x, contexts: contexts), "mid.norm1": normed1,
            "mid.attn1": block.selfAttention(normed1, pictures: 1, addingTo: nil), "mid.norm2": normed2,
            "mid.attn2": block.crossAttention(normed2, contexts: contexts, addingTo: nil), "mid.norm3": normed3,
            "mid.ff": block.feedForward(normed3, addingTo: nil),
        ].mapValues { .tensor($0) }
    }

    /// The convolutions between levels, as their levels do them.
    private func sampler(
        _ path: String, _ x: Tensor, _ level: Int, _ config: SDXLUNetConfig, _ check: GoldenCheck
    ) throws -> [String: Computed] {
        let parent = try reader().scope(path.split(separator: ".").prefix(2).joined(separator: "."))
        var blocks = 0
        if path.hasPrefix("down_blocks") {
            let whole = try SDXLLevel(down: parent, level: level, blocks: &blocks, config: config, compute: compute)
            return ["y": picture(whole.halved(x))]
        }
        let whole = try SDXLLevel(up: parent, level: level, blocks: &blocks, config: config, compute: compute)
        return ["y": picture(whole.doubled(x, like: nil)), "y_to_3x5": picture(whole.doubled(x, like: [1, 3, 5]))]
    }

    private func whole(
        _ module: WeightReader, _ path: String, _ level: Int, _ config: SDXLUNetConfig, _ check: GoldenCheck
    ) throws -> [String: Computed] {
        var blocks = 0
        guard path.hasPrefix("up_blocks") else {
            let part = try SDXLLevel(down: module, level: level, blocks: &blocks, config: config, compute: compute)
            var skips: [Tensor] = []
            let contexts = try contexts(check, part.transformers.flatMap(\.blocks))
            let y = try part.down(cells(check, "x"), time(check), contexts, skips: &skips) {}
            var results = ["y": picture(y)]
            for (index, skip) in skips.enumerated() { results["skip\(index)"] = picture(skip) }
            return results
        }
        let part = try SDXLLevel(up: module, level: level, blocks: &blocks, config: config, compute: compute)
        var skips = try (0...config.layersPerBlock).map { try cells(check, "skip\($0)") }
        // The first that is used is the last that was kept.
        skips.reverse()
        let contexts = try contexts(check, part.transformers.flatMap(\.blocks))
        return ["y": picture(try part.up(cells(check, "x"), time(check), contexts, skips: &skips) {})]
    }

    private func contexts(_ check: GoldenCheck, _ blocks: [SDXLTransformerBlock]) throws -> [SDXLContext] {
        guard check.inputs["text"] != nil else { return [SDXLContext(keys: [], values: [])] }
        let text = try check.input("text")[0]
        let made = blocks.map { $0.context(text) }
        return [SDXLContext(keys: made.map(\.key), values: made.map(\.value))]
    }

    private func time(_ check: GoldenCheck) throws -> Tensor { compute.activate(try check.input("temb"), .silu) }

    /// `[1, C, H, W]` -> `[1, H, W, C]`.
    private func cells(_ check: GoldenCheck, _ name: String) throws -> Tensor {
        SDXLUNet.channelsLast(oneFrame(try check.input(name)))
    }

    private func picture(_ x: Tensor) -> Computed { .tensor(SDXLUNet.channelsFirst(x)) }
}
