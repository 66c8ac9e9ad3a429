import Diffusion
import Foundation
import Pipelines
import Tensor
import Testing

/// The same seed and parameters give the same bytes.
@Suite struct DeterminismTests {
    private func run(_ pipeline: Pipeline, _ prompt: String = "a cat on a table", seed: UInt64 = 5) throws -> Run {
        try pipeline.encodedRun(
            prompt, negative: "", seed: seed, width: pipeline.sizes.sideMultiple > 16 ? 64 : 48, height: 32,
            frames: pipeline.sizes.makesClips ? 5 : 1,
            steps: 3,
            guidanceScale: 4, guidanceScale2: 3)
    }

    private func frames(_ latent: Tensor, _ pipeline: Pipeline) throws -> [Float] {
        var all: [Float] = []
        try pipeline.decode(latent) { all += $0.array }
        return all
    }

    private static let folders = [
        fixture, imageToVideoFixture, textImageToVideoFixture, qwenFixture, editFixture, kleinFixture, sdxlFixture,
        sanaFixture,
    ]

    @Test(arguments: folders) func threadsDoNotChangeABit(folder: String) throws {
        var results: [[Float]] = []
        for threads in [1, 2, 3] {
            let pipeline = try Pipeline(folder: folder, compute: Compute(threads: threads))
            var one = try run(pipeline)
            _ = try one.finishSteps()
            results.append(one.generation.latent.array + (try frames(one.generation.latent, pipeline)))
        }
        #expect(results[0] == results[1])
        #expect(results[0] == results[2])
        #expect(results[0].allSatisfy { $0.isFinite })
    }

    /// The VAE's precision changes the decoding alone, and little of it.
    @Test func precisionOfTheVAEDoesNotReachTheLatent() throws {
        var results: [(latent: [Float], frames: [Float])] = []
        for precision in [Precision.f32, .bf16] {
            // The pipeline keeps the threads: nobody else holds what it shares them with.
            let pipeline = try {
                let compute = Compute(threads: 2)
                return try Pipeline(
                    ModelFiles(folder: fixture), compute: compute, vaeCompute: compute.with(precision))
            }()
            var one = try run(pipeline)
            _ = try one.finishSteps()
            results.append((one.generation.latent.array, try frames(one.generation.latent, pipeline)))
        }
        #expect(results[0].latent == results[1].latent)
        let squares = zip(results[0].frames, results[1].frames).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        #expect((squares / Float(results[0].frames.count)).squareRoot() < 0.01)
    }

    /// Alone, or in one batch with another prompt and another seed.
    @Test(arguments: folders) func batchingDoesNotChangeABit(folder: String) throws {
        let pipeline = try Pipeline(folder: folder, compute: Compute(threads: 2))
        let prompts = ["a cat", "two red birds in the rain, at night"]
        var batch = [try run(pipeline, prompts[0], seed: 1), try run(pipeline, prompts[1], seed: 2)]
        while !batch[0].generation.isFinished { _ = try Run.step(&batch) }
        for (index, prompt) in prompts.enumerated() {
            var alone = try run(pipeline, prompt, seed: UInt64(index + 1))
            _ = try alone.finishSteps()
            #expect(alone.generation.latent.array == batch[index].generation.latent.array)
        }
    }

    /// Every way to sample SDXL, most of which add noise on their way: in a batch on two threads, or stored and taken up between
    /// any two steps on one.
    @Test(arguments: [
        "dmd2", "dmd2-1step", "lightning", "lightning-x0", "turbo", "hyper", "hyper-1step", "tcd", "lcm", "teacher",
    ]) func everyWayOfSDXLIsTheSameHoweverItRuns(generator: String) throws {
        func run(_ pipeline: Pipeline, seed: UInt64) throws -> Run {
            let spec = try pipeline.generators.generator(generator)
            var parameters = GenerationParameters(
                prompt: "a cat on a table", negativePrompt: "rain", width: 72, height: 56, seed: seed,
                generator: generator)
            if case .discrete(let grid) = spec.grid, !grid.isFixed { parameters.steps = 3 }
            var run = try Run(parameters, of: pipeline)
            try run.encodeTexts { try pipeline.encode($0, by: $1) }
            return run
        }
        let two = try Pipeline(folder: sdxlFixture, compute: Compute(threads: 2))
        var batch = [try run(two, seed: 1), try run(two, seed: 2)]
        while !batch[0].generation.isFinished { _ = try Run.step(&batch) }
        let one = try Pipeline(folder: sdxlFixture, compute: Compute(threads: 1))
        for index in batch.indices {
            var stopped = [try run(one, seed: UInt64(index + 1))]
            while !stopped[0].generation.isFinished {
                _ = try Run.step(&stopped)
                let stored = try JSONDecoder().decode(
                    Generation.self, from: JSONEncoder().encode(stopped[0].generation))
                var next = try run(one, seed: UInt64(index + 1))
                let isTheSame = next.resume(stored)
                #expect(isTheSame)
                stopped = [next]
            }
            #expect(stopped[0].generation.latent.array == batch[index].generation.latent.array)
            #expect(try frames(stopped[0].generation.latent, one) == frames(batch[index].generation.latent, two))
        }
        #expect(batch[0].generation.latent.array != batch[1].generation.latent.array)
    }

    @Test func interruptEndsAStepAndLeavesTheGenerationAsItWas() throws {
        struct Stop: Error {}
        let pipeline = try Pipeline(folder: fixture, compute: Compute(threads: 1))
        var one = try run(pipeline)
        let before = one.generation.latent.array
        #expect(throws: Stop.self) { try one.finishSteps(interrupt: { throw Stop() }) }
        #expect(one.generation.latent.array == before && one.generation.stepIndex == 0)
    }

    /// However often a decode asks before it is told to stop, it stops there, and the next decode is whole.
    @Test func interruptEndsADecodeBetweenBlocks() throws {
        struct Stop: Error {}
        let pipeline = try Pipeline(folder: fixture, compute: Compute(threads: 1))
        let latent = try run(pipeline).generation.latent
        let whole = try frames(latent, pipeline)
        var asked = 0
        try pipeline.decode(latent, interrupt: { asked += 1 }, onFrames: { _ in })
        let blocks = asked / latent.shape[1]
        #expect(blocks > 4, "\(asked) questions for \(latent.shape[1]) latent frames")
        for last in [0, 1, blocks - 1, blocks, asked - 1] {
            var left = last
            #expect(throws: Stop.self) {
                try pipeline.decode(
                    latent,
                    interrupt: {
                        if left == 0 { throw Stop() }
                        left -= 1
                    }, onFrames: { _ in })
            }
        }
        #expect(try frames(latent, pipeline) == whole)
    }
}
