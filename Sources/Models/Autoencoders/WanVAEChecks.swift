import Tensor
import Weights

/// Checks of the autoencoder: whole decodes and encodes, and its parts on successive chunks.
struct WanVAEChecks {
    private let vae: WanVAE
    private let compute: Compute

    init(folder: String, compute: Compute) throws {
        self.compute = compute
        let reader = WeightReader(try Checkpoint(folder: "\(folder)/vae"))
        vae = try WanVAE(reader, config: try WanVAEConfig.read("\(folder)/vae/config.json"), compute: compute)
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "vae_latent_norm": return try latentNorm(check)
        case "vae_part_attention":
            return ["y": .tensor(first(vae.decoder.middle.attention(try frames(check.input("x")))))]
        case "vae_part_resnet":
            let block = vae.decoder.levels[1].resnets[0]
            var results = try chunks(check, count: 3) { block($0, &$1) }
            var history = CausalHistory()
            let all = try (0..<3).map { try frames(check.input("x\($0)")) }
            results["nocache"] = .tensor(first(block(Tensor.concatenate(all), &history)))
            return results
        case "vae_part_upsample3d":
            guard let block = vae.decoder.levels[0].upsample else { throw VerificationError.unknownCheck(check.name) }
            return try chunks(check, count: 4) { block($0, &$1) }
        case "vae_part_downsample3d":
            guard let block = vae.encoder.levels.compactMap(\.downsample).first(where: \.isTemporal) else {
                throw VerificationError.unknownCheck(check.name)
            }
            return try chunks(check, count: 3) { block($0, &$1) }
        case "vae_part_up_block": return try chunks(check, count: 4) { try vae.decoder.levels[0]($0, &$1) }
        case "vae_part_up_block_space": return try chunks(check, count: 2) { try vae.decoder.levels[2]($0, &$1) }
        case "vae_part_down_block": return try chunks(check, count: 3) { vae.encoder.levels[1]($0, &$1) }
        case "vae_part_last_down_block": return try chunks(check, count: 2) { vae.encoder.levels[3]($0, &$1) }
        case "vae_part_patchify":
            let patches = foldedPixels(try frames(check.input("x")), patch: 2)
            return ["patches": .tensor(first(patches)), "back": .tensor(first(unfoldedPixels(patches, patch: 2)))]
        case "vae_part_shortcuts": return try shortcuts(check)
        case let name where name.hasPrefix("vae_decode_"): return try decode(check)
        case let name where name.hasPrefix("vae_encode_"): return try encode(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    /// `[1, C, T, H, W]` -> `[T, H, W, C]`.
    private func frames(_ x: Tensor) -> Tensor { channelsLast(x[0]) }
    private func first(_ x: Tensor) -> Tensor { channelsFirst(x) }

    private func chunks(
        _ check: GoldenCheck, count: Int, _ body: (Tensor, inout CausalHistory) throws -> Tensor
    ) throws -> [String: Computed] {
        var history = CausalHistory()
        var results: [String: Computed] = [:]
        for index in 0..<count {
            results["out\(index)"] = .tensor(first(try body(try frames(check.input("x\(index)")), &history)))
        }
        return results
    }

    /// Checks the shortcuts from 4 to 8 channels at half the frames and sides, and back.
    private func shortcuts(_ check: GoldenCheck) throws -> [String: Computed] {
        let down = WanAverageDown(inputs: 4, outputs: 8, frames: 2, side: 2)
        let up = WanDuplicateUp(frames: 2, side: 2, compute: compute)
        let low = try frames(check.input("low"))
        func doubled(_ name: String) throws -> Computed {
            let shape = try check.outputs[name]?.shape ?? check.input(name).shape
            let base = Tensor(zeros: Array(shape[2...]) + [shape[1]])
            up.add(low, to: base)
            return .tensor(first(base))
        }
        return [
            "average_one": .tensor(first(down(try frames(check.input("one"))))),
            "average_four": .tensor(first(down(try frames(check.input("four"))))),
            "double_first": try doubled("double_first"), "double_later": try doubled("double_later"),
        ]
    }

    private func decode(_ check: GoldenCheck) throws -> [String: Computed] {
        let latents = try check.input("latents_normalised")[0]
        var decoded: [Tensor] = []
        try vae.decode(latents) { decoded.append($0) }
        let sample = first(Tensor.concatenate(decoded))
        let clamped = Tensor(sample.array.map { min(max($0, -1), 1) }, shape: sample.shape)
        return [
            "latents": .tensor(channelsFirst(vae.denormalised(latents))), "sample_unclamped": .tensor(sample),
            "sample": .tensor(clamped),
        ]
    }

    private func encode(_ check: GoldenCheck) throws -> [String: Computed] {
        let moments = try vae.encode(try frames(check.input("sample")))
        let mean = moments.slice(0..<vae.config.zDim)
        let logVariance = moments.slice(vae.config.zDim..<2 * vae.config.zDim)
        return [
            "moments": .tensor(moments), "mode": .tensor(mean),
            "logvar": .tensor(Tensor(logVariance.array.map { min(max($0, -30), 20) }, shape: logVariance.shape)),
            "latents_normalised": .tensor(vae.normalised(mean)),
        ]
    }

    private func latentNorm(_ check: GoldenCheck) throws -> [String: Computed] {
        let config = vae.config
        return [
            "denormalised": .tensor(channelsFirst(vae.denormalised(try check.input("latents")[0]))),
            "normalised": .tensor(vae.normalised(try check.input("raw")[0])),
            "mean": .tensor(Tensor(config.latentsMean, shape: [config.zDim])),
            "std": .tensor(Tensor(config.latentsStd, shape: [config.zDim])),
        ]
    }
}
