import Foundation
import Models
import Tensor
import TestSupport
import Testing
import Weights

/// The autoencoders of Wan's families: 16 channels, and 48 with shortcuts around the levels.
@Suite struct WanVAETests {
    static let folders = ["wan22-i2v-tiny", "wan22-ti2v-tiny"]
    private static let compute = Compute(threads: 2)

    private static func vae(
        _ folder: String, _ checkpoint: Checkpoint? = nil, compute: Compute = compute
    ) throws -> (vae: WanVAE, reader: WeightReader) {
        let path = Fixtures.root.appending(path: "\(folder)/vae").path
        let reader = WeightReader(try checkpoint ?? Checkpoint(folder: path))
        return (try WanVAE(reader, config: try WanVAEConfig.read("\(path)/config.json"), compute: compute), reader)
    }

    private static func noise(_ shape: [Int], seed: UInt64) -> Tensor {
        var random = SplitMix64(seed: seed)
        return Tensor((0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }, shape: shape)
    }

    /// A clip that is grey but for its ends, encoded whole and as what it is.
    @Test(arguments: folders, [1, 5, 61, 73]) func greyFramesAreEncodedOnce(folder: String, frames: Int) throws {
        let (vae, _) = try Self.vae(folder)
        let side = vae.config.spatialFactor
        let shape = [1, side, 2 * side, 3]
        let (first, last) = (Self.noise(shape, seed: 1), Self.noise(shape, seed: 2))
        for last in frames > 1 ? [nil, last] : [nil] {
            let grey = Tensor(zeros: [frames - (last == nil ? 1 : 2)] + shape.dropFirst())
            let whole = Tensor.concatenate([first, grey] + (last.map { [$0] } ?? []))
            var asked = 0
            let expected = try vae.latent(of: whole) { asked += 1 }
            var levels = 0
            let latent = try vae.latent(first: first, last: last, frames: frames) { levels += 1 }
            #expect(latent.shape == expected.shape)
            #expect(latent.array == expected.array)
            // Five questions a chunk, unless levels have settled: those at full and half resolution after the sixth grey chunk,
            // those at a quarter after the eleventh.
            let chunks = (frames - 1) / 4 + 1
            #expect(asked == 5 * chunks)
            let greys = chunks - (last == nil ? 1 : 2)
            let saved = max(greys - 4, 0) + max(greys - 6, 0) + max(greys - 11, 0)
            #expect(levels == asked - saved, "\(levels) of \(asked)")
            #expect(frames < 61 || saved > 0)
        }
    }

    /// The grey of a later pass, after something else, is not taken for that of the first.
    @Test func whatFollowsAnotherFrameIsComputed() throws {
        let (vae, _) = try Self.vae("wan22-i2v-tiny")
        let shape = [1, 16, 16, 3]
        let between = Self.noise([4] + shape.dropFirst(), seed: 3)
        let grey = Tensor(zeros: [4] + shape.dropFirst())
        var pass = WanVAEEncoder.Pass()
        var whole = WanVAEEncoder.Pass()
        let first = Self.noise(shape, seed: 1)
        let start = try pass.first(first, of: vae.encoder)
        #expect(try whole.next(first, of: vae.encoder).array == start.array)
        for chunk in 0..<24 {
            let expected = try whole.next(chunk == 8 ? between : grey, of: vae.encoder)
            let made =
                chunk == 8
                ? try pass.next(between, of: vae.encoder) : try pass.grey(rows: 16, columns: 16, of: vae.encoder)
            #expect(made.array == expected.array, "chunk \(chunk)")
        }
    }

    /// What networks read is not rounded, whatever decoding does.
    @Test(arguments: folders) func encodingIsInFloat32(folder: String) throws {
        let (vae, _) = try Self.vae(folder)
        let (rounding, _) = try Self.vae(folder, compute: Self.compute.with(.bf16))
        let frames = Self.noise([5, 32, 32, 3], seed: 4)
        #expect(try vae.latent(of: frames) {}.array == rounding.latent(of: frames) {}.array)
    }

    @Test(arguments: folders) func originalNamesHoldTheSameNetwork(folder: String) throws {
        let (vae, reader) = try Self.vae(folder)
        #expect(reader.unusedKeys.isEmpty)
        let side = 2 * vae.config.spatialFactor
        let frames = Self.noise([5, side, side, 3], seed: 5)
        let latent = try vae.latent(of: frames) {}
        func decoded(_ vae: WanVAE) throws -> [Float] {
            var values: [Float] = []
            try vae.decode(latent, interrupt: {}) { values += $0.array }
            return values
        }
        try withTemporaryFolder { temporary in
            let file = temporary.appending(path: "vae.safetensors").path
            try OriginalNames(folder: folder).write("vae", to: file, prefix: "first_stage_model.")
            let (single, reader) = try Self.vae(folder, Checkpoint(file: file).renamed(by: WanKeys.vae))
            #expect(reader.unusedKeys.isEmpty)
            #expect(try single.latent(of: frames) {}.array == latent.array)
            #expect(try decoded(single) == decoded(vae))
        }
    }

    /// Without a configuration the channels tell which of the two published ones it is.
    @Test(arguments: folders) func shapesTellTheDimensions(folder: String) throws {
        let path = Fixtures.root.appending(path: "\(folder)/vae").path
        let (told, config) = (
            try WanVAEConfig(shapesOf: Checkpoint(folder: path)), try WanVAEConfig.read("\(path)/config.json")
        )
        try told.check(file: "")
        func facts(_ config: WanVAEConfig) -> [Int] {
            [
                config.baseDim, config.decoderBaseDim, config.zDim, config.patch, config.isResidual ? 1 : 0,
                config.spatialFactor, config.temporalFactor, config.inChannels, config.outChannels,
            ] + config.dimMult
        }
        #expect(facts(told) == facts(config))
        #expect(told.latentsMean == config.latentsMean && told.latentsStd == config.latentsStd)
    }

    /// A plan takes what encoding takes, and touches none of it.
    @Test(arguments: folders) func memoryOfEncodingIsAsPlanned(folder: String) throws {
        let (vae, _) = try Self.vae(folder)
        let first = Self.noise([1, 64, 96, 3], seed: 6)
        func run() throws { _ = try vae.latent(first: first, last: first, frames: 41) }
        try run()
        let plan = try MemoryPlan.of { try run() }
        let arena = Arena(reserving: 1 << 30)
        try arena.using { try run() }
        #expect(arena.use.peak == plan.peak)
    }
}
