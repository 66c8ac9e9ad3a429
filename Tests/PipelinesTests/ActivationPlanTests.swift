import Diffusion
import Foundation
import Models
import Pictures
import Pipelines
import Support
import Tensor
import TestSupport
import Testing

/// What a plan says beside what computing takes in an arena of its own.
@Suite(.serialized) struct ActivationPlanTests {
    private static let embedded = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Models/emoji-scenes").path

    struct Case: Sendable, CustomTestStringConvertible {
        let model: String
        let width, height, frames: Int
        var generator: String?
        var precision = Precision.f32
        var references: [PixelSize] = []
        /// A tiny autoencoder, which then decodes.
        var tiny: String?

        var testDescription: String {
            "\((model as NSString).lastPathComponent) \(generator ?? "") \(width)x\(height)x\(frames) \(precision) \(tiny ?? "")"
                + references.map(\.description).joined(separator: " ")
        }
    }

    static let cases = [
        Case(model: fixture, width: 48, height: 32, frames: 1),
        Case(model: fixture, width: 160, height: 96, frames: 9, precision: .bf16),
        Case(model: imageToVideoFixture, width: 48, height: 32, frames: 1),
        Case(model: imageToVideoFixture, width: 160, height: 96, frames: 33, precision: .bf16),
        Case(model: textImageToVideoFixture, width: 64, height: 32, frames: 5),
        Case(model: textImageToVideoFixture, width: 160, height: 96, frames: 9, generator: "turbo", precision: .bf16),
        Case(model: qwenFixture, width: 64, height: 64, frames: 1),
        Case(model: qwenFixture, width: 192, height: 160, frames: 1, precision: .bf16),
        Case(model: kleinFixture, width: 64, height: 64, frames: 1),
        Case(model: kleinFixture, width: 192, height: 160, frames: 1, precision: .bf16),
        Case(model: kleinFixture, width: 64, height: 64, frames: 1, references: [PixelSize(width: 160, height: 96)]),
        Case(
            model: kleinFixture, width: 64, height: 96, frames: 1, precision: .bf16,
            references: [PixelSize(width: 2000, height: 1400), PixelSize(width: 64, height: 100)]),
        Case(model: editFixture, width: 64, height: 64, frames: 1, references: [PixelSize(width: 90, height: 55)]),
        Case(
            model: editFixture, width: 192, height: 160, frames: 1, precision: .bf16,
            references: [
                PixelSize(width: 1500, height: 400), PixelSize(width: 33, height: 50),
            ]),
        Case(model: zImageFixture, width: 64, height: 96, frames: 1),
        Case(model: sdxlFixture, width: 64, height: 64, frames: 1),
        Case(model: sdxlFixture, width: 72, height: 56, frames: 1, generator: "tcd"),
        Case(model: sdxlFixture, width: 192, height: 160, frames: 1, generator: "dmd2", precision: .bf16),
        Case(model: sanaFixture, width: 64, height: 64, frames: 1),
        Case(model: sanaFixture, width: 192, height: 160, frames: 1, precision: .bf16),
        Case(model: fixture, width: 208, height: 128, frames: 9, tiny: "taew2_1.safetensors"),
        Case(model: textImageToVideoFixture, width: 160, height: 96, frames: 5, tiny: "taew2_2_super.safetensors"),
        Case(model: qwenFixture, width: 192, height: 160, frames: 1, precision: .bf16, tiny: "taew2_1.safetensors"),
        Case(model: Fixture.path("z-image-tiny"), width: 128, height: 96, frames: 1, tiny: "taef1"),
        Case(model: embedded, width: 64, height: 96, frames: 1),
        Case(model: embedded, width: 128, height: 128, frames: 1, precision: .bf16),
        Case(model: embedded, width: 128, height: 128, frames: 5),
        Case(model: embedded, width: 128, height: 128, frames: 17, precision: .bf16),
        Case(model: embedded, width: 128, height: 128, frames: 1, generator: "teacher", precision: .bf16),
    ]

    private let prompt = "a red balloon over a blue lake, two birds"

    private func expect(_ predicted: Int, is use: MemoryUse, _ what: String) {
        let error = Double(predicted - use.peakExtent) / Double(use.peakExtent)
        #expect(use.peakExtent > 0)
        #expect(abs(error) <= 0.05, "\(what): \(predicted) predicted, \(use.peakExtent) measured")
        // The tensors lie close together.
        #expect(use.peakExtent <= use.peak + use.peak / 3, "\(what): \(use)")
    }

    /// Pictures of random samples: as many as the plan counts.
    private func pictures(for one: Case, _ inputs: PictureInputs) throws -> GivenPictures {
        var random = SplitMix64(seed: 7)
        func noise(_ size: PixelSize) throws -> RGBImage {
            try RGBImage(
                width: size.width, height: size.height,
                bytes: (0..<3 * size.width * size.height).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
        var given = GivenPictures(references: try one.references.map(noise))
        let frame = PixelSize(width: one.width, height: one.height)
        if inputs.first != .never || given.isEmpty && one.frames == 1 { given.first = try noise(frame) }
        if inputs.last != .never, one.frames > 1 { given.last = try noise(frame) }
        return given
    }

    @Test(arguments: cases) func thePlanIsWhatComputingTakes(_ one: Case) throws {
        var files = ModelFiles(folder: one.model)
        files.previewVAE = one.tiny.map { Fixture.path("taehv-tiny/\($0)") }
        let pipeline = try Pipeline(files, compute: Compute(threads: 2, precision: one.precision))
        let decoder: LatentDecoder = one.tiny == nil ? .full : .tiny
        let plan = try pipeline.activationPlan(
            width: one.width, height: one.height, frames: one.frames, generator: one.generator, decoder: decoder,
            tokens: min(pipeline.tokenCount(of: prompt), pipeline.maximumTokens), references: one.references)
        let given = try pictures(for: one, pipeline.traits.pictures)

        var arena = Arena(reserving: 1 << 40)
        let encoded = try arena.using { try pipeline.encode(prompt, seeing: given.references) }
        expect(plan.text, is: arena.use, "text")

        var inputs = GenerationInputs()
        if given.isEmpty {
            #expect(plan.picture == 0)
        } else {
            arena = Arena(reserving: 1 << 40)
            let encoded = try arena.using {
                try pipeline.encoded(given, width: one.width, height: one.height, frames: one.frames)
            }
            if case .inputs(let made) = encoded { inputs = made }
            expect(plan.picture, is: arena.use, "picture")
        }

        arena = Arena(reserving: 1 << 40)
        let latent = try arena.using {
            let parameters = GenerationParameters(
                prompt: "", negativePrompt: "", width: one.width, height: one.height, frames: one.frames, seed: 1,
                generator: one.generator)
            var generation = try pipeline.makeGeneration(parameters)
            try generation.take(inputs.lasting)
            var run = Run(
                generation, of: pipeline, generator: "", texts: Prompted(positive: "", negative: ""),
                prompted: Prompted(positive: encoded.lasting, negative: encoded.lasting))
            _ = try run.finishSteps()
            return run.generation.latent
        }
        expect(plan.steps, is: arena.use, "steps")

        arena = Arena(reserving: 1 << 40)
        var sum: Float = 0
        try arena.using {
            let own = latent.copy()
            try pipeline.decode(own, by: decoder) { frames in frames.withUnsafe { sum += $0.reduce(0, +) } }
        }
        #expect(sum.isFinite && sum > 0)
        expect(plan.decode, is: arena.use, "decode")

        guard one.tiny != nil else {
            #expect(plan.preview == 0)
            return
        }
        // Another model, whose convolutions are not packed yet.
        let fresh = try Pipeline(files, compute: Compute(threads: 2, precision: one.precision))
        arena = Arena(reserving: 1 << 40)
        _ = try arena.using { try fresh.preview(of: latent.copy()) }
        expect(plan.preview, is: arena.use, "preview")
    }

    /// The first step makes keys and values of the prompt; from the second on nothing more is taken.
    @Test(arguments: [fixture, qwenFixture, embedded]) func aSecondStepTakesNoMoreMemory(model: String) throws {
        let pipeline = try Pipeline(folder: model, compute: Compute(threads: 2))
        let name = try #require(pipeline.generators.generator(nil).plan.experts.first)
        let network = try #require(pipeline.parts.networks[name])
        let conditioning = try pipeline.encode(prompt)
        let side = pipeline.sizes.sideMultiple * 4
        let shape = [2] + pipeline.latentShape(width: side, height: side, frames: 1)
        let arena = Arena(reserving: 1 << 40)
        try arena.using {
            let latents = Tensor(repeating: 0.5, shape: shape)
            func step(_ timestep: Float) throws {
                _ = try network.velocity(
                    Evaluation(
                        latents: latents, timesteps: [timestep, timestep],
                        conditionings: [conditioning, conditioning]), key: name, interrupt: {})
            }
            try step(900)
            let (held, first) = (arena.use.inUse, arena.use.peakExtent)
            try step(800)
            // Small tensors may find other places than beside keys and values in the making.
            let second = arena.use.peakExtent
            #expect(second - first < 16 << 10)
            for timestep in [Float(700), 600, 500] { try step(timestep) }
            #expect(arena.use.inUse == held)
            #expect(arena.use.peakExtent == second)
        }
    }

    /// A plan reads no weights: it does as well without any of them in memory, and leaves nothing behind.
    @Test func aPlanChangesNothing() throws {
        let pipeline = try Pipeline(folder: fixture, compute: Compute(threads: 1))
        let first = try pipeline.activationPlan(width: 96, height: 64, frames: 5)
        let again = try pipeline.activationPlan(width: 96, height: 64, frames: 5)
        #expect(first == again)
        let longer = try pipeline.activationPlan(width: 96, height: 64, frames: 9)
        #expect(longer.steps > first.steps)
        #expect(longer.text == first.text)
        func picture() throws -> [Float] {
            let own = try Pipeline(folder: fixture, compute: Compute(threads: 1))
            return try frames(own)
        }
        #expect(try frames(pipeline) == picture())
    }

    private func frames(_ pipeline: Pipeline) throws -> [Float] {
        var values: [Float] = []
        let noise = GaussianNoise(seed: 4, purpose: .initialLatent)
        try pipeline.decode(noise.tensor(shape: pipeline.latentShape(width: 48, height: 32, frames: 5))) {
            values += $0.array
        }
        return values
    }
}
