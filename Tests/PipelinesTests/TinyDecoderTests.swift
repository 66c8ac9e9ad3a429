import Diffusion
import Foundation
import Models
import Pipelines
import Tensor
import Testing
import Weights

/// A tiny autoencoder beside a model's own, and in its place.
@Suite struct TinyDecoderTests {
    struct Pair: Sendable, CustomTestStringConvertible {
        let model, tiny: String
        var testDescription: String { "\(model) with \(tiny)" }
    }

    private static let pairs = [
        Pair(model: "wan22-tiny", tiny: "taew2_1.safetensors"),
        Pair(model: "qwen-image-tiny", tiny: "taew2_1.safetensors"),
        Pair(model: "wan22-i2v-tiny", tiny: "taew2_1.safetensors"),
        Pair(model: "wan22-ti2v-tiny", tiny: "taew2_2.safetensors"),
        Pair(model: "wan22-ti2v-tiny", tiny: "taew2_2_super.safetensors"),
        Pair(model: "z-image-tiny", tiny: "taef1"), Pair(model: "sdxl-tiny", tiny: "taesdxl_decoder.safetensors"),
    ]

    private static func files(_ model: String, preview: String? = nil, vae: String? = nil) -> ModelFiles {
        var files = ModelFiles(folder: Fixture.path(model))
        files.previewVAE = preview.map { Fixture.path("taehv-tiny/\($0)") }
        files.vae = vae.map { Fixture.path("taehv-tiny/\($0)") }
        return files
    }

    private static func open(_ pair: Pair, threads: Int = 2) throws -> Pipeline {
        try Pipeline(files(pair.model, preview: pair.tiny), compute: Compute(threads: threads))
    }

    private static func run(_ pipeline: Pipeline, seed: UInt64 = 5) throws -> Run {
        let parameters = GenerationParameters(
            prompt: "a cat on a table", width: 64, height: 64, frames: pipeline.sizes.makesClips ? 5 : 1, seed: seed,
            steps: 2, pictures: try pipeline.pictures(seed: seed), decoder: .tiny)
        var alone = [try Run(parameters, of: pipeline)]
        try Run.encodePictures(of: &alone)
        try alone[0].encodeTexts { try pipeline.encode($0, by: $1) }
        return alone[0]
    }

    private static func frames(_ run: Run) throws -> [Float] {
        var all: [Float] = []
        try run.decode { all += $0.array }
        return all
    }

    /// The latent goes to the tiny autoencoder as it was diffused, unpacked; its frames come clamped.
    @Test(arguments: pairs) func aRunIsDecodedByTheTinyAutoencoder(pair: Pair) throws {
        let pipeline = try Self.open(pair)
        #expect(pipeline.decoders == [.full, .tiny] && pipeline.defaultDecoder == .full)
        var run = try Self.run(pipeline)
        #expect(run.passes.last == Pass(.decode, Pipeline.tinyPart))
        _ = try run.finishSteps()
        let compute = Compute(threads: 2)
        let tiny = try TinyAutoencoders.open(
            WeightReader(Checkpoint(path: Fixture.path("taehv-tiny/\(pair.tiny)"))), compute: compute)
        let cells = unpacked(run.generation.latent, by: pipeline.traits.packing)
        func unit(_ x: [Float]) -> [Float] { x.map { min(max($0 * 0.5 + 0.5, 0), 1) } }
        var expected: [Float] = []
        try tiny.decode(cells, interrupt: {}) { expected += $0.array }
        let decoded = try Self.frames(run)
        #expect(decoded == unit(expected))
        var own: [Float] = []
        try pipeline.decode(run.generation.latent, by: .full) { own += $0.array }
        #expect(own.count == decoded.count && own != decoded)
        let preview = try pipeline.preview(of: run.generation.latent)
        #expect(preview.shape == [1, 64, 64, 3])
        #expect(try preview.array == unit(tiny.preview(cells, interrupt: {}).array))

        let ran = RunRecord(of: run)
        #expect(ran.decoder == .tiny)
        #expect(ran.weights["tiny_vae"]?.count == 64 && ran.weights["vae"]?.count == 64)
        let full = pipeline.identities(of: run.generation.plan, decoder: .full)
        #expect(full["tiny_vae"] == nil)
    }

    @Test(arguments: pairs) func threadsBatchesAndPausesDoNotChangeABit(pair: Pair) throws {
        var results: [[Float]] = []
        for threads in [1, 2] {
            let pipeline = try Self.open(pair, threads: threads)
            var run = try Self.run(pipeline)
            _ = try run.finishSteps()
            results.append(try Self.frames(run))
        }
        let pipeline = try Self.open(pair)
        var batch = [try Self.run(pipeline, seed: 9), try Self.run(pipeline)]
        _ = try Run.step(&batch)
        // What a checkpoint keeps is taken up by a run that was made anew.
        let stored = try JSONDecoder().decode(Generation.self, from: JSONEncoder().encode(batch[1].generation))
        var resumed = try Self.run(pipeline)
        let isTaken = resumed.resume(stored)
        #expect(isTaken)
        _ = try resumed.finishSteps()
        results.append(try Self.frames(resumed))
        while !batch[1].generation.isFinished { _ = try Run.step(&batch) }
        results.append(try Self.frames(batch[1]))
        #expect(results.allSatisfy { $0 == results[0] && $0.allSatisfy(\.isFinite) })
    }

    @Test func aDecoderThatIsNotThereIsNamed() throws {
        let pipeline = try Pipeline(Self.files("wan22-tiny"), compute: Compute(threads: 1))
        #expect(pipeline.decoders == [.full] && !pipeline.hasCheapPreviews)
        #expect(throws: ModelError.self) { try pipeline.decode(Tensor(zeros: [16, 1, 4, 4]), by: .tiny) { _ in } }
    }

    /// What fits is told by network and channels: 16 channels are Wan's or FLUX.1's.
    @Test(arguments: [
        ("wan22-tiny", "taef1", "taew2_1"), ("wan22-tiny", "taew2_2.safetensors", "taew2_1"),
        ("z-image-tiny", "taew2_1.safetensors", "taef1"), ("sdxl-tiny", "taef1", "taesdxl"),
        ("flux2-klein-tiny", "taef1", "taef2"), ("wan22-ti2v-tiny", "taew2_1.safetensors", "taew2_2"),
    ])
    func aFileOfOtherLatentsIsRefused(model: String, tiny: String, fitting: String) throws {
        for files in [Self.files(model, preview: tiny), Self.files(model, vae: tiny)] {
            do {
                _ = try Pipeline(files, compute: Compute(threads: 1))
                Issue.record("\(model) opened with \(tiny)")
            } catch {
                let text = "\(error)"
                #expect(text.contains(tiny) && text.contains(fitting) && text.contains("latent channels"), "\(text)")
            }
        }
    }

    // MARK: In place of the model's own

    @Test func aTinyVAEIsTheOnlyDecoder() throws {
        let pipeline = try Pipeline(Self.files("z-image-tiny", vae: "taef1"), compute: Compute(threads: 2))
        #expect(pipeline.decoders == [.tiny] && pipeline.hasCheapPreviews)
        #expect(pipeline.part(of: .tiny) == "vae")
        let beside = try Pipeline(Self.files("z-image-tiny", preview: "taef1"), compute: Compute(threads: 2))
        var runs = [try Self.run(pipeline), try Self.run(beside)]
        for index in runs.indices { _ = try runs[index].finishSteps() }
        #expect(try Self.frames(runs[0]) == Self.frames(runs[1]))
        // Pictures that are changed by strength are encoded by it, where the file has an encoder.
        #expect(pipeline.pictureRefusal == nil)
        let half = try Pipeline(
            Self.files("sdxl-tiny", vae: "taesdxl_decoder.safetensors"), compute: Compute(threads: 1))
        #expect(half.pictureRefusal?.contains("decoder alone") == true)
    }

    /// What a network looks at is not for a tiny autoencoder to encode.
    @Test func networksThatReadPicturesKeepTheirOwnVAE() throws {
        #expect(throws: ModelError.self) {
            try Pipeline(Self.files("wan22-i2v-tiny", vae: "taew2_1.safetensors"), compute: Compute(threads: 1))
        }
        let clips = try Pipeline(
            Self.files("wan22-ti2v-tiny", vae: "taew2_2.safetensors"), compute: Compute(threads: 2))
        #expect(clips.pictureRefusal?.contains("--preview-vae") == true && clips.parts.pictureEncoder == nil)
        var run = try Run(
            GenerationParameters(prompt: "a cat", width: 64, height: 64, frames: 5, steps: 2), of: clips)
        var frames = 0
        _ = try run.finish { frames += $0.shape[0] }
        #expect(frames == 5)
    }
}
