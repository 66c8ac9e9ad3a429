import Diffusion
import Foundation
import Tensor
import Weights

/// The checks of the `sana-sprint` family, by name: which part of the code each one runs. Those of the teacher, SANA itself, are
/// among them.
struct SanaChecks: FamilyChecks {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        switch check.component {
        case "tokenizer", "text_encoder", "rope":
            return try SanaTextChecks(folder: folder, compute: compute).run(check)
        case "transformer", "teacher": return try transformer(check)
        case "vae", "vae_norm": return try AutoencoderDCChecks(folder: folder, compute: compute).run(check)
        case "scheduler": return try SanaSchedulerChecks().run(check)
        case "lora":
            let lora = LoRACheck(component: "transformer", keys: SanaKeys.transformer) { reader in
                try forward(network(reader, "transformer"), check)
            }
            return try lora.run(check, folder: folder, compute: compute, extra: &extra)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private func network(_ reader: WeightReader, _ part: String) throws -> SanaTransformer {
        let config = try SanaTransformerConfig.read("\(folder)/\(part)/config.json")
        return try SanaTransformer(reader, config: config, compute: compute)
    }

    private func transformer(_ check: GoldenCheck) throws -> [String: Computed] {
        let part = check.component == "teacher" ? "teacher/transformer" : "transformer"
        let network = try network(WeightReader(try Checkpoint(folder: "\(folder)/\(part)")), part)
        let config = network.config
        switch check.name.dropFirst(check.component.count + 1) {
        case "time_embed":
            let times = try check.input("timestep").array
            let guidance = check.inputs["guidance"]?.widened().array ?? []
            let embedding = network.embedding(times: times, guidance: guidance.map { $0 / config.guidanceScale })
            return [
                "sinusoid": .tensor(timestepSinusoid(times, width: config.frequencies)),
                "guidance_sinusoid": .tensor(timestepSinusoid(guidance, width: config.frequencies)),
                "temb": .tensor(embedding), "modulation": .tensor(network.modulation(embedding)),
            ]
        case "caption_embed", "caption_embed_small":
            return ["y": .tensor(network.caption(try check.input("encoder_hidden_states")[0]))]
        case "norm_out", "norm_out_small":
            return [
                "y": .tensor(
                    network.output(try check.input("hidden_states")[0], embedding: try check.input("temb")))
            ]
        case "mix_ffn":
            let x = try check.input("x")
            let (channels, rows, columns) = (x.shape[1], x.shape[2], x.shape[3])
            let cells = channelsLast(x.reshaped([channels, 1, rows, columns])).reshaped([rows * columns, channels])
            let y = network.blocks[config.layers - 1].feedForward(cells, grid: (rows, columns))
            return ["y": .tensor(channelsFirst(y.reshaped([1, rows, columns, channels])))]
        case let name where name.hasPrefix("forward"): return ["sample": .tensor(try forward(network, check))]
        case let name where name.hasPrefix("block"):
            guard let index = Int(name.dropFirst("block".count).prefix { $0.isNumber }),
                network.blocks.indices.contains(index)
            else { throw VerificationError.unknownCheck(check.name) }
            return try block(network.blocks[index], check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    /// The rows of a caption that its mask shows.
    private func captions(_ check: GoldenCheck) throws -> [Tensor] {
        let rows = try check.input("encoder_hidden_states")
        let mask = try check.integers("encoder_attention_mask")
        let length = rows.shape[1]
        return (0..<rows.shape[0]).map { entry in
            let shown = (0..<length).filter { mask[entry * length + $0] != 0 }
            return Tensor.concatenate(shown.map { rows[entry].slice($0..<$0 + 1) })
        }
    }

    private func block(_ block: SanaBlock, _ check: GoldenCheck) throws -> [String: Computed] {
        let sides: [Int] = try check.parameter("grid")
        guard sides.count == 2 else { throw VerificationError.unknownCheck(check.name) }
        let grid = (rows: sides[0], columns: sides[1])
        let (x, modulation) = (try check.input("hidden_states")[0], try check.input("modulation"))
        let context = block.context(of: try captions(check)[0])
        let parts = block.parts(of: x, grid: grid, modulation: modulation, context: context)
        return [
            "out": .tensor(block.forward(x, grid: grid, modulation: modulation, contexts: [context])),
            "mid.norm1": .tensor(parts.norm1), "mid.attn1": .tensor(parts.attention),
            "mid.attn2": .tensor(parts.cross), "mid.norm2": .tensor(parts.norm2),
        ]
    }

    /// The reference has scaled the guidance already.
    private func forward(_ network: SanaTransformer, _ check: GoldenCheck) throws -> Tensor {
        let guidance = check.inputs["guidance"]?.widened().array ?? []
        return try network.forward(
            latents: oneFrame(try check.input("hidden_states")), times: try check.input("timestep").array,
            guidance: guidance.map { $0 / network.config.guidanceScale },
            contexts: try captions(check).map { try network.contexts($0) })
    }
}
