import Diffusion
import Foundation
import Models
import Pictures
import Pipelines
import Tensor
import Testing

/// Pictures that a network looks at, from the request to the latent.
struct ReferencePicturesTests {
    private static func picture(_ width: Int, _ height: Int, step: Int) throws -> RGBImage {
        try RGBImage(
            width: width, height: height,
            bytes: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* step) })
    }

    private static func run(_ pipeline: Pipeline, _ references: [RGBImage]) throws -> Run {
        var run = try Run(
            GenerationParameters(
                prompt: "a boat", width: 64, height: 48, seed: 3, pictures: GivenPictures(references: references)),
            of: pipeline)
        try run.encodeTexts { try pipeline.encode($0, by: $1) }
        return run
    }

    @Test func referencesReachTheNetwork() throws {
        let pipeline = try Pipeline(folder: kleinFixture, compute: Compute(threads: 2))
        let pictures = [try Self.picture(80, 64, step: 7), try Self.picture(64, 100, step: 3)]
        func latent(_ references: [RGBImage]) throws -> [Float] {
            var runs = [try Self.run(pipeline, references)]
            #expect(runs[0].passes.contains { $0.stage == .picture } == !references.isEmpty)
            try Run.encodePictures(of: &runs)
            #expect(runs[0].pictures.isEmpty && runs[0].generation.inputs.references.count == references.count)
            _ = try runs[0].finishSteps()
            return runs[0].generation.latent.array
        }
        let (none, both) = (try latent([]), try latent(pictures))
        #expect(none != both && both.allSatisfy(\.isFinite))
        #expect(try latent(pictures.reversed()) != both)
        #expect(try latent(pictures) == both)
        let shapes = try { () -> [[Int]] in
            var runs = [try Self.run(pipeline, pictures)]
            try Run.encodePictures(of: &runs)
            return runs[0].generation.inputs.references.map(\.shape)
        }()
        #expect(shapes == [[128, 1, 4, 5], [128, 1, 6, 4]])
    }

    /// Between any two steps a run may be stored, its references with it, and go on.
    @Test func storedRunsKeepTheirReferences() throws {
        let pipeline = try Pipeline(folder: kleinFixture, compute: Compute(threads: 2))
        var runs = [try Self.run(pipeline, [try Self.picture(80, 64, step: 7)])]
        try Run.encodePictures(of: &runs)
        _ = try Run.step(&runs)
        let data = try JSONEncoder().encode(runs[0].generation)
        let stored = try JSONDecoder().decode(Generation.self, from: data)
        #expect(stored.inputs.references.map(\.array) == runs[0].generation.inputs.references.map(\.array))
        var resumed = Run(
            stored, of: pipeline, generator: runs[0].generator, texts: runs[0].texts, prompted: runs[0].prompted)
        _ = try resumed.finishSteps()
        _ = try runs[0].finishSteps()
        #expect(resumed.generation.latent.array == runs[0].generation.latent.array)
    }
}
