import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// The checks of the `qwen-image` family, by name: which part of the code each one runs. Those of the network and the
/// autoencoder are `qwen-image-edit`'s as well.
struct QwenImageChecks: FamilyChecks {
    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        switch check.component {
        case "tokenizer", "text_encoder": return try QwenImageTextChecks(folder: folder, compute: compute).run(check)
        case "rope": return try rope(check)
        case "transformer", "transformer_variant": return try transformer(check)
        case "pack": return try pack(check)
        case "vae", "vae_norm": return try WanVAEChecks(folder: folder, compute: compute).run(check)
        case "scheduler": return try SchedulerChecks(folder: folder).run(check)
        case "lora":
            let lora = LoRACheck(component: "transformer", keys: QwenImageKeys.transformer) { reader in
                try forward(network(reader, of: "transformer"), check)
            }
            return try lora.run(check, folder: folder, compute: compute, extra: &extra)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    // MARK: Rope and packing

    private func rope(_ check: GoldenCheck) throws -> [String: Computed] {
        guard check.name != "text_encoder_rope" else {
            return try QwenImageTextChecks(folder: folder, compute: compute).run(check)
        }
        let shapes = try shapes(check)
        let count: Int = try check.parameter("text_tokens")
        let config = try QwenImageTransformerConfig.read("\(folder)/transformer/config.json")
        let table = QwenImageTransformer.rope(text: count, shapes: shapes, axes: config.axes)
        let all = count + shapes.reduce(0) { $0 + $1.rows * $1.columns }
        return [
            "txt_cos": .tensor(table.cosine.slice(0..<count)), "txt_sin": .tensor(table.sine.slice(0..<count)),
            "img_cos": .tensor(table.cosine.slice(count..<all)), "img_sin": .tensor(table.sine.slice(count..<all)),
        ]
    }

    /// `params.shapes`, in tokens, of a check with reference pictures; else `params.grid` alone.
    private func shapes(_ check: GoldenCheck) throws -> [(rows: Int, columns: Int)] {
        guard let shapes: [[Int]] = try? check.parameter("shapes") else { return [try grid(check)] }
        return try shapes.map { shape in
            guard shape.count == 3, shape[0] == 1 else { throw VerificationError.unknownCheck(check.name) }
            return (shape[1], shape[2])
        }
    }

    /// `params.grid`, in tokens.
    private func grid(_ check: GoldenCheck) throws -> (rows: Int, columns: Int) {
        let grid: [Int] = try check.parameter("grid")
        guard grid.count == 3, grid[0] == 1 else { throw VerificationError.unknownCheck(check.name) }
        return (grid[1], grid[2])
    }

    private func pack(_ check: GoldenCheck) throws -> [String: Computed] {
        // [1, F, C, h, w] with one frame -> [1, C, 1, h, w].
        let given = try check.input("latents")
        let latents = given.reshaped([1, given.shape[2], 1, given.shape[3], given.shape[4]])
        let packed = TokenGrid(latents: latents.shape, patch: [1, 2, 2]).tokens(of: latents)
        let cells = packedLatent(packed, rows: given.shape[3] / 2, columns: given.shape[4] / 2)
        return ["packed": .tensor(packed), "unpacked": .tensor(unpacked(cells, by: 2))]
    }

    // MARK: Transformer

    private func network(_ reader: WeightReader, of component: String) throws -> QwenImageTransformer {
        let config = try QwenImageTransformerConfig.read("\(folder)/\(component)/config.json")
        return try QwenImageTransformer(reader, config: config, compute: compute)
    }

    private func transformer(_ check: GoldenCheck) throws -> [String: Computed] {
        let component = check.component
        let network = try network(WeightReader(try Checkpoint(folder: "\(folder)/\(component)")), of: component)
        let part = check.name.dropFirst(component.count + 1)
        if part == "time_embed" {
            let timesteps = try check.input("timestep").array.map { $0 * 1000 }
            return [
                "sinusoid": .tensor(timestepSinusoid(timesteps, width: network.config.freqDim)),
                "temb": .tensor(network.timeEmbedding(timesteps)),
            ]
        }
        if part.hasPrefix("block"), let index = Int(part.dropFirst(5).prefix { $0.isNumber }) {
            guard network.blocks.indices.contains(index) else { throw VerificationError.unknownCheck(check.name) }
            return try block(network.blocks[index], check)
        }
        if part.hasPrefix("forward") { return ["sample": .tensor(try forward(network, check))] }
        throw VerificationError.unknownCheck(check.name)
    }

    /// In checks of edits, which say `zero_cond_t`, the second half of the tokens are a picture's.
    private func block(_ block: QwenImageBlock, _ check: GoldenCheck) throws -> [String: Computed] {
        let tokens = try check.input("hidden_states")[0]
        let count = check.parameters["zero_cond_t"] == nil ? tokens.shape[0] : tokens.shape[0] / 2
        let text = try check.input("encoder_hidden_states")[0]
        let rope = RotaryTable(
            cosine: Tensor.concatenate([try check.input("txt_cos"), try check.input("img_cos")]),
            sine: Tensor.concatenate([try check.input("txt_sin"), try check.input("img_sin")]))
        func time(_ name: String) throws -> Tensor { compute.activate(try check.input(name), .silu) }
        let result = block.forward(
            QwenImageStreams(
                image: tokens.slice(0..<count),
                pictures: count < tokens.shape[0] ? tokens.slice(count..<tokens.shape[0]) : nil,
                text: text, textCounts: [text.shape[0]]),
            times: QwenImageTimes(
                image: try time("temb"), pictures: check.inputs["temb_zero"] == nil ? nil : try time("temb_zero")),
            ropes: [rope])
        return [
            "hidden_states": .tensor(Tensor.concatenate([result.image] + [result.pictures].compactMap(\.self))),
            "encoder_hidden_states": .tensor(result.text),
        ]
    }

    /// Padded rows of text, which the reference masks, are left out.
    private func forward(_ network: QwenImageTransformer, _ check: GoldenCheck) throws -> Tensor {
        let shapes = try shapes(check)
        let tokens = try check.input("hidden_states")
        let text = try check.input("encoder_hidden_states")
        let mask = check.inputs["encoder_hidden_states_mask"]?.widened().array
        let batch = tokens.shape[0]
        let texts = (0..<batch).map { entry in
            let length = text.shape[1]
            let count = mask.map { Int($0[entry * length..<(entry + 1) * length].reduce(0, +)) } ?? length
            return text[entry].slice(0..<count)
        }
        let times = network.times(try check.input("timestep").array.map { $0 * 1000 })
        let count = shapes[0].rows * shapes[0].columns
        let pictures = (0..<batch).map { tokens[$0].slice(count..<tokens.shape[1]) }
        let x = try network.streams(
            image: Tensor.concatenate((0..<batch).map { tokens[$0].slice(0..<count) }),
            pictures: shapes.count > 1 ? Tensor.concatenate(pictures) : nil, shapes: shapes, times: times, texts: texts)
        func entries(_ x: Tensor) -> Tensor {
            network.head(x, times).reshaped([batch, x.shape[0] / batch, network.config.outChannels])
        }
        let image = entries(x.image)
        guard let pictures = x.pictures.map(entries) else { return image }
        return stacked((0..<batch).map { Tensor.concatenate([image[$0], pictures[$0]]) })
    }
}

/// Packed tokens `[rows * columns, C]` -> the latent `[C, 1, rows, columns]`.
func packedLatent(_ tokens: Tensor, rows: Int, columns: Int) -> Tensor {
    channelsFirst(tokens.reshaped([1, rows, columns, tokens.shape[1]]))
}

/// The inverse of `packedLatent`.
func packedTokens(_ latent: Tensor) -> Tensor {
    channelsLast(latent).reshaped([latent.count / latent.shape[0], latent.shape[0]])
}
