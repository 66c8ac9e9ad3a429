import Models
import Tensor
import TestSupport
import Testing
import Weights

struct AutoencoderKLTests {
    private static let compute = Compute(threads: 2)

    private static func autoencoder(_ checkpoint: Checkpoint? = nil) throws -> (
        vae: AutoencoderKL, reader: WeightReader
    ) {
        let reader = WeightReader(try checkpoint ?? Checkpoint(folder: "\(SingleFile.path)/vae"))
        let config = try AutoencoderKLConfig.read("\(SingleFile.path)/vae/config.json")
        return (try AutoencoderKL(reader, config: config, compute: compute), reader)
    }

    /// Latents `[C, 1, h, w]` and the picture `[1, H, W, 3]` that the reference makes of them.
    private static func decoding() throws -> (check: ReferenceCheck, latents: Tensor) {
        let check = try ReferenceCheck("vae_decode_4x10", of: SingleFile.folder)
        let latents = try check.tensor("in.latents_normalised")
        return (check, latents.reshaped([latents.shape[1], 1, latents.shape[2], latents.shape[3]]))
    }

    private static func picture(_ vae: AutoencoderKL, _ latents: Tensor, interrupt: () throws -> Void = {}) throws
        -> Tensor
    {
        var frames: [Tensor] = []
        try vae.decode(latents, interrupt: interrupt) { frames.append($0) }
        return Tensor.concatenate(frames)
    }

    /// The original repository's names: attention as convolutions, levels of the decoder counted from the picture.
    @Test func originalFilesHoldTheSameNetwork() throws {
        let (vae, reader) = try Self.autoencoder()
        #expect(reader.unusedKeys.isEmpty)
        let latents = try Self.decoding().latents
        let expected = try Self.picture(vae, latents)
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "ae.safetensors").path
            try SingleFile.write("vae", prefix: "", to: file) { name, shape in
                name.contains(".attn_1.") && shape.count == 2 ? shape + [1, 1] : shape
            }
            let original = try Checkpoint(file: file).renamed(by: AutoencoderKLKeys.vae)
            let (same, reader) = try Self.autoencoder(original)
            #expect(reader.unusedKeys.isEmpty)
            #expect(try Self.picture(same, latents).array == expected.array)
            #expect(try same.encode(expected).array == vae.encode(expected).array)
        }
    }

    @Test func latentsAreDecodedOneByOne() throws {
        let (vae, _) = try Self.autoencoder()
        let (check, latents) = try Self.decoding()
        let (channels, area) = (latents.shape[0], latents.count / latents.shape[0])
        // Two of them, the second one all zeros.
        let values = latents.array
        let pair = Tensor(
            (0..<channels).flatMap { c in
                Array(values[c * area..<(c + 1) * area]) + [Float](repeating: 0, count: area)
            }, shape: [channels, 2] + latents.shape.dropFirst(2))
        var frames: [Tensor] = []
        try vae.decode(pair) { frames.append($0) }
        #expect(frames.count == 2)
        try check.expectRows(channelsFirst(frames[0]), equal: check.tensor("out.sample"))
        #expect(try frames[1].array == Self.picture(vae, Tensor(zeros: latents.shape)).array)
        let moments = try vae.encode(Tensor.concatenate(frames))
        #expect(moments.shape == [2 * channels, 2] + latents.shape.dropFirst(2))
    }

    @Test func shapesTellTheDimensions() throws {
        let config = try AutoencoderKLConfig.read("\(SingleFile.path)/vae/config.json")
        let told = try AutoencoderKLConfig(shapesOf: try Checkpoint(folder: "\(SingleFile.path)/vae"))
        #expect(told.channels == config.channels)
        #expect([told.layersPerBlock, told.latentChannels] == [config.layersPerBlock, config.latentChannels])
        #expect([told.scalingFactor, told.shiftFactor] == [config.scalingFactor, config.shiftFactor])
        #expect(!told.hasQuantConvolution && !told.hasPostQuantConvolution && told.hasMiddleAttention)
    }

    private struct Stopped: Error {}

    @Test func stopsBetweenBlocks() throws {
        let (vae, _) = try Self.autoencoder()
        let latents = try Self.decoding().latents
        var count = 0
        _ = try Self.picture(vae, latents) { count += 1 }
        for last in 1...count {
            var calls = 0
            #expect(throws: Stopped.self) {
                try Self.picture(vae, latents) {
                    calls += 1
                    if calls == last { throw Stopped() }
                }
            }
            #expect(calls == last)
        }
    }

    /// A plan takes what the computation takes, the convolutions' weights included.
    @Test func memoryIsAsPlanned() throws {
        let (vae, _) = try Self.autoencoder()
        let latents = try Self.decoding().latents
        func run() throws { _ = try vae.encode(Self.picture(vae, latents)) }
        let plan = try MemoryPlan.of { try run() }
        let arena = Arena(reserving: 1 << 30)
        try arena.using { try run() }
        #expect(arena.use.peak == plan.peak)
    }
}
