import Diffusion
import Foundation
import Pictures
import Tensor
import Weights

/// The checks of the `flux2-klein` family, by name: which part of the code each one runs.
struct Flux2Checks: FamilyChecks {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        switch check.component {
        case "tokenizer", "text_encoder": return try Flux2TextChecks(folder: folder, compute: compute).run(check)
        case "rope" where check.name == "text_encoder_rope":
            return try Flux2TextChecks(folder: folder, compute: compute).run(check)
        case "rope": return try rope(check)
        case "transformer": return try transformer(check)
        case "vae", "vae_norm": return try AutoencoderKLChecks(flux2: folder, compute: compute).run(check)
        case "pack": return try pack(check)
        case "scheduler": return try schedule(check)
        case "lora": return try lora(check, extra: &extra)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    // MARK: Positions

    private func rope(_ check: GoldenCheck) throws -> [String: Computed] {
        let grids = try grids(check)
        let count: Int = try check.parameter("text_tokens")
        let network = try network(WeightReader(try Checkpoint(folder: "\(folder)/transformer")))
        let text = network.textRope(rows: count)
        let image = network.imageRope(grids: grids)
        let positions = grids.enumerated().flatMap { index, grid in
            (0..<grid[0] * grid[1]).flatMap { cell in
                (0..<4).map {
                    Flux2Transformer.imagePosition(cell: cell, axis: $0, columns: grid[1], picture: index)
                }
            }
        }
        return [
            "img_ids": .integers(positions),
            "txt_ids": .integers(
                (0..<count).flatMap { row in (0..<4).map { Flux2Transformer.textPosition(row: row, axis: $0) } }),
            "img_cos": .tensor(image.cosine), "img_sin": .tensor(image.sine),
            "txt_cos": .tensor(text.cosine), "txt_sin": .tensor(text.sine),
        ]
    }

    /// Rows and columns of the picture, then of its references.
    private func grids(_ check: GoldenCheck) throws -> [[Int]] {
        let grid: [Int] = try check.parameter("grid")
        let references = check.parameters["references"] as? [[Int]] ?? []
        guard grid.count == 3, grid[0] == 1, references.allSatisfy({ $0.count == 2 }) else {
            throw VerificationError.unknownCheck(check.name)
        }
        return [Array(grid[1...])] + references
    }

    // MARK: Transformer

    private func network(_ reader: WeightReader) throws -> Flux2Transformer {
        let config = try Flux2TransformerConfig.read("\(folder)/transformer/config.json")
        return try Flux2Transformer(reader, config: config, compute: compute)
    }

    private func transformer(_ check: GoldenCheck) throws -> [String: Computed] {
        let network = try network(WeightReader(try Checkpoint(folder: "\(folder)/transformer")))
        let part = check.name.dropFirst("transformer_".count)
        func numbered<Block>(_ prefix: String, _ blocks: [Block]) throws -> Block? {
            guard part.hasPrefix(prefix), let index = Int(part.dropFirst(prefix.count).prefix { $0.isNumber }) else {
                return nil
            }
            guard blocks.indices.contains(index) else { throw VerificationError.unknownCheck(check.name) }
            return blocks[index]
        }
        switch part {
        case "time_embed": return try time(network, check)
        case "norm_out", "norm_out_small":
            return [
                "y": .tensor(network.head(try check.input("hidden_states")[0], time: try check.input("temb")))
            ]
        case let name where name.hasPrefix("forward"): return ["sample": .tensor(try forward(network, check))]
        default:
            if let block = try numbered("single_block", network.singleBlocks) {
                return try single(block, check, network.config)
            }
            guard let block = try numbered("block", network.doubleBlocks) else {
                throw VerificationError.unknownCheck(check.name)
            }
            return try double(block, check, network.config)
        }
    }

    private func time(_ network: Flux2Transformer, _ check: GoldenCheck) throws -> [String: Computed] {
        let timesteps = try check.input("timestep").array.map { $0 * SigmaSchedule.trainTimesteps }
        let time = network.timeEmbedding(timesteps)
        let modulations = network.modulations(time)
        return [
            "sinusoid": .tensor(timestepSinusoid(timesteps, width: network.config.frequencies)),
            "temb": .tensor(time), "double_img": .tensor(modulations.image), "double_txt": .tensor(modulations.text),
            "single": .tensor(modulations.single),
        ]
    }

    private func double(
        _ block: Flux2DoubleBlock, _ check: GoldenCheck, _ config: Flux2TransformerConfig
    ) throws -> [String: Computed] {
        let streams = Flux2Streams(
            image: try check.input("hidden_states")[0], text: try check.input("encoder_hidden_states")[0])
        let (cosine, sine) = (try check.input("cos"), try check.input("sin"))
        let (first, rows) = (streams.text.shape[0], cosine.shape[0])
        func turns(_ range: Range<Int>) -> RotaryTable {
            RotaryTable(cosine: cosine.slice(range), sine: sine.slice(range))
        }
        func modulation(_ name: String) throws -> [Flux2Modulation] {
            Flux2Modulation.all(of: try check.input(name), dim: config.dim)
        }
        let setting = Flux2DoubleBlock.Setting(
            batch: 1, textTurns: turns(0..<first), imageTurns: turns(first..<rows),
            textModulation: try modulation("mod_txt"), imageModulation: try modulation("mod_img"))
        let out = block.forward(streams, setting)
        let (attention, mlp) = block.branches(streams, setting)
        let results = [
            "hidden_states": out.image, "encoder_hidden_states": out.text,
            "mid.norm1": compute.layerNorm(streams.image, eps: config.eps),
            "mid.norm1_context": compute.layerNorm(streams.text, eps: config.eps),
            "mid.attn": attention.image, "mid.ff": mlp.image, "mid.ff_context": mlp.text,
        ]
        return results.filter { check.outputs[$0.key] != nil }.mapValues { .tensor($0) }
    }

    private func single(
        _ block: Flux2SingleBlock, _ check: GoldenCheck, _ config: Flux2TransformerConfig
    ) throws -> [String: Computed] {
        let x = try check.input("hidden_states")[0]
        let turns = RotaryTable(cosine: try check.input("cos"), sine: try check.input("sin"))
        let modulation = Flux2Modulation.all(of: try check.input("mod"), dim: config.dim)[0]
        let results = [
            "out": block.forward(x, batch: 1, turns: turns, modulation: modulation),
            "mid.norm": compute.layerNorm(x, eps: config.eps),
            "mid.attn": block.branch(x, batch: 1, turns: turns, modulation: modulation),
        ]
        return results.filter { check.outputs[$0.key] != nil }.mapValues { .tensor($0) }
    }

    private func forward(_ network: Flux2Transformer, _ check: GoldenCheck) throws -> Tensor {
        let rows = try check.input("hidden_states")
        let texts = try check.input("encoder_hidden_states")
        let (batch, channels) = (rows.shape[0], network.config.outChannels)
        let velocity = try network.output(
            rows: rows.reshaped([batch * rows.shape[1], rows.shape[2]]), grids: try grids(check),
            timesteps: try check.input("timestep").array.map { $0 * SigmaSchedule.trainTimesteps },
            texts: (0..<batch).map { texts[$0] })
        return velocity.reshaped([batch, velocity.shape[0] / batch, channels])
    }

    private func lora(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        let lora = LoRACheck(component: "transformer", keys: Flux2Keys.transformer) { reader in
            try forward(network(reader), check)
        }
        return try lora.run(check, folder: folder, compute: compute, extra: &extra)
    }

    // MARK: Latents and pictures

    private func pack(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "pack_latents":
            let latents = oneFrame(try check.input("latents"))[0]
            let patched = packed(latents, by: AutoencoderKLFlux2.patch)
            return [
                "patched": .tensor(patched), "packed": .tensor(packedTokens(patched)),
                "unpacked": .tensor(unpacked(patched, by: AutoencoderKLFlux2.patch)),
            ]
        case "image_preprocess":
            let prepared = try Flux2PictureEncoder.prepared(
                picture(try check.input("image")), multiple: try pictureEncoder().multiple)
            return ["sample": .tensor(channelsFirst(prepared.signed))]
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    func pictureEncoder() throws -> Flux2PictureEncoder {
        let vae = try AutoencoderKLFlux2(
            WeightReader(try Checkpoint(folder: "\(folder)/vae")),
            config: try AutoencoderKLFlux2Config.read("\(folder)/vae/config.json"), compute: compute)
        return Flux2PictureEncoder(autoencoder: vae, packing: AutoencoderKLFlux2.patch)
    }

    /// Samples `[h, w, 3]` in [0, 1], which are those of a picture of 8 bits.
    func picture(_ samples: Tensor) throws -> RGBImage {
        try RGBImage(
            width: samples.shape[1], height: samples.shape[0],
            bytes: samples.array.map { UInt8(clamping: Int(($0 * 255).rounded())) })
    }

    // MARK: Schedules

    private func schedule(_ check: GoldenCheck) throws -> [String: Computed] {
        let schedules = SchedulerChecks(folder: folder)
        switch check.name {
        case "scheduler_euler_empirical": return try schedules.empirical(check, shift: Flux2Family.shift)
        case "scheduler_euler_traj":
            return try schedules.trajectory(
                check, grid: .empirical(steps: try check.parameter("n"), shift: Flux2Family.shift),
                tokens: try check.parameter("tokens"))
        default: return try schedules.run(check)
        }
    }
}
