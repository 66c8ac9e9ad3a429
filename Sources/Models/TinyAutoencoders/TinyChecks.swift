import Foundation
import Tensor
import Weights

/// The checks of the tiny autoencoders, which belong to no family: a component is the name of a file or folder.
struct TinyChecks: FamilyChecks {
    /// The `family` of their fixture folder.
    static let name = "taehv"

    let folder: String
    let compute: Compute

    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed] {
        let directory = "\(folder)/\(check.component)"
        let path = FileManager.default.fileExists(atPath: directory) ? directory : "\(directory).safetensors"
        let tiny = try TinyAutoencoders.open(WeightReader(Checkpoint(path: path)), compute: compute)
        let kind = check.name.dropFirst(check.component.count + 1).prefix { $0 != "_" }
        switch (kind, tiny) {
        case ("decode", let tiny as AutoencoderTiny): return try picture(check, tiny)
        case ("decode", let tiny as TAEHV): return try clip(check, tiny, tiny.decoder.growth)
        case ("cheap", let tiny as TAEHV):
            let growth = TAEHVDecoder.Growth(
                frames: try check.parameter("grows"), sides: try check.parameter("scales"))
            return try clip(check, tiny, growth)
        case ("encode", _): return try encode(check, tiny)
        case ("parts", let tiny as TAEHV): return try parts(check, tiny)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    func endToEnd(_ check: GoldenCheck) throws -> EndToEndCase { throw VerificationError.unknownCheck(check.name) }

    private func picture(_ check: GoldenCheck, _ tiny: AutoencoderTiny) throws -> [String: Computed] {
        let latents = try check.input("latents")
        var frames: [Tensor] = []
        try tiny.decode(
            latents.reshaped([latents.shape[1], 1] + latents.shape.dropFirst(2)), interrupt: {}
        ) { frames.append($0) }
        let picture = Tensor.concatenate(frames)
        return ["sample": .tensor(channelsFirst(picture)), "image": .tensor(unitRange(picture))]
    }

    private func clip(
        _ check: GoldenCheck, _ tiny: TAEHV, _ growth: TAEHVDecoder.Growth
    ) throws -> [String: Computed] {
        var decoded: [Tensor] = []
        try tiny.frames(of: try check.input("latents_normalised")[0], growth: growth) { decoded.append($0) }
        let frames = Tensor.concatenate(decoded)
        return [
            "frames_unclipped": .tensor(frames),
            "frames": .tensor(Tensor(frames.array.map { min(max($0, 0), 1) }, shape: frames.shape)),
        ]
    }

    private func encode(_ check: GoldenCheck, _ tiny: any TinyAutoencoder) throws -> [String: Computed] {
        guard check.inputs["frames"] != nil else {
            let sample = try check.input("sample")
            let latent = try tiny.latent(
                of: channelsLast(sample.reshaped([3, 1] + sample.shape.dropFirst(2))), interrupt: {})
            return ["latents": .tensor(latent)]
        }
        let latent = try tiny.latent(of: affine(check.input("frames"), 2, -1), interrupt: {})
        return ["latents_normalised": .tensor(latent)]
    }

    private func parts(_ check: GoldenCheck, _ tiny: TAEHV) throws -> [String: Computed] {
        /// `[T, C, H, W]` -> `[T, H, W, C]`, and back.
        func last(_ x: Tensor) -> Tensor {
            Tensor.concatenate(
                (0..<x.shape[0]).map { channelsLast(x[$0].reshaped([x.shape[1], 1] + x.shape.dropFirst(2))) })
        }
        func first(_ x: Tensor) -> Tensor {
            stacked(
                (0..<x.shape[0]).map { frame in
                    channelsFirst(x.slice(frame..<frame + 1)).reshaped([x.shape[3], x.shape[1], x.shape[2]])
                })
        }
        guard let encoder = tiny.encoder else { throw VerificationError.unknownCheck(check.name) }
        var history = CausalHistory()
        let block = tiny.decoder.levels[0].blocks[0](last(try check.input("block")), &history)
        let frames = last(try check.input("grow"))
        let grown = (0..<frames.shape[0]).flatMap { frame in
            tiny.decoder.levels[1].grow.parts.map { compute.linear(frames.slice(frame..<frame + 1), $0) }
        }
        return [
            "block": .tensor(first(block)), "grow": .tensor(first(Tensor.concatenate(grown))),
            "pool": .tensor(first(encoder.firstPool(last(try check.input("pool"))))),
        ]
    }
}
