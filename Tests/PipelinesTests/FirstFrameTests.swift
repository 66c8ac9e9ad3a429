import Diffusion
import Models
import Pictures
import Pipelines
import Tensor
import Testing

/// A model of two experts whose network takes times for tokens (`expand_timesteps`), in the autoencoder of Wan2.1: what the
/// embedded model is.
struct FirstFrameTests {
    private static let phases = """
        {"default": "student", "generators": {"student": {"sampler": "euler", "sigmas": [1.0, 0.9, 0.75, 0.5], "phases": [
            {"name": "high noise", "sigma": [0.8, 1.0], "expert": "transformer", "guidance_scale": 1.0},
            {"name": "low noise", "sigma": [0.0, 0.8], "expert": "transformer_2", "guidance_scale": 1.0}]}}}
        """

    private static func model(expandsTimes: Bool) throws -> (copy: ModelCopy, pipeline: Pipeline) {
        let copy = try ModelCopy()
        try copy.write(phases, "phases.json")
        if expandsTimes {
            try copy.replace(
                "\"expand_timesteps\": false", with: "\"expand_timesteps\": true", in: "model_index.json")
        }
        return (copy, try Pipeline(folder: copy.path, compute: Compute(threads: 2)))
    }

    private static func picture() throws -> RGBImage {
        try RGBImage(width: 40, height: 30, bytes: (0..<40 * 30 * 3).map { UInt8(truncatingIfNeeded: $0 * 7 / 3) })
    }

    private static func run(_ pipeline: Pipeline, frames: Int, _ first: RGBImage? = nil) throws -> Run {
        var runs = [
            try Run(
                GenerationParameters(
                    prompt: "a boat", width: 48, height: 32, frames: frames, seed: 3,
                    pictures: GivenPictures(first: first)), of: pipeline)
        ]
        try runs[0].encodeTexts { try pipeline.encode($0, by: $1) }
        try Run.encodePictures(of: &runs)
        return runs[0]
    }

    private static func latent(_ pipeline: Pipeline, frames: Int, _ first: RGBImage? = nil) throws -> Tensor {
        var run = try run(pipeline, frames: frames, first)
        _ = try run.finishSteps()
        return run.generation.latent
    }

    /// With one time for all tokens nothing differs.
    @Test(arguments: [1, 5]) func withoutAPictureItIsTheSameModel(frames: Int) throws {
        let (plain, expanding) = (try Self.model(expandsTimes: false), try Self.model(expandsTimes: true))
        #expect(plain.pipeline.traits.pictures == .none)
        #expect(expanding.pipeline.traits.pictures == PictureInputs(first: .optional))
        #expect(
            try Self.latent(plain.pipeline, frames: frames).array
                == Self.latent(expanding.pipeline, frames: frames).array)
    }

    /// A clip keeps the picture's latent; the picture of a picture is made by strength, as by a model that takes no frames.
    @Test func aPictureIsMovedInAClipAndChangedInAPicture() throws {
        let (plain, expanding) = (try Self.model(expandsTimes: false), try Self.model(expandsTimes: true))
        let picture = try Self.picture()
        let moving = try Self.run(expanding.pipeline, frames: 5, picture)
        let given = try #require(moving.generation.inputs.givenFrames)
        let clip = try Self.latent(expanding.pipeline, frames: 5, picture)
        #expect(given.shape == [16, 1, 4, 6])
        let area = given.shape[2] * given.shape[3]
        for channel in 0..<16 {
            let frame = clip.array[channel * 2 * area..<channel * 2 * area + area]
            #expect(Array(frame) == Array(given.array[channel * area..<(channel + 1) * area]))
        }
        #expect(try clip.array != Self.latent(expanding.pipeline, frames: 5).array)

        let changed = try Self.run(expanding.pipeline, frames: 1, picture)
        #expect(changed.generation.inputs.givenFrames == nil)
        #expect(changed.generation.schedule.count < moving.generation.schedule.count)
        #expect(
            try Self.latent(expanding.pipeline, frames: 1, picture).array
                == Self.latent(plain.pipeline, frames: 1, picture).array)
    }
}
