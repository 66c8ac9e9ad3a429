import Diffusion
import Pipelines
import Tensor
import Testing

/// The same seed and parameters give the same bytes.
@Suite struct DeterminismTests {
    private func prompted(_ pipeline: Pipeline, _ text: String) throws -> Prompted<Conditioning> {
        Prompted(positive: try pipeline.encode(text), negative: try pipeline.encode(""))
    }

    private func generation(_ pipeline: Pipeline, seed: UInt64) throws -> Generation {
        try pipeline.makeGeneration(
            seed: seed, width: 48, height: 32, frames: pipeline.sizes.makesClips ? 5 : 1, steps: 3, guidanceScale: 4,
            guidanceScale2: 3)
    }

    private func finish(_ generation: inout Generation, _ pipeline: Pipeline, _ prompt: Prompted<Conditioning>) throws {
        while let phase = generation.nextPhase {
            try generation.step(using: pipeline.expert(phase.expert), prompt)
        }
    }

    private func frames(_ latent: Tensor, _ pipeline: Pipeline) throws -> [Float] {
        var all: [Float] = []
        try pipeline.decode(latent) { all += $0.array }
        return all
    }

    @Test(arguments: [fixture, qwenFixture]) func threadsDoNotChangeABit(folder: String) throws {
        var results: [[Float]] = []
        for threads in [1, 2, 3] {
            let pipeline = try Pipeline(folder: folder, compute: Compute(threads: threads))
            var one = try generation(pipeline, seed: 5)
            try finish(&one, pipeline, prompted(pipeline, "a cat on a table"))
            results.append(one.latent.array + (try frames(one.latent, pipeline)))
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
            var one = try generation(pipeline, seed: 5)
            try finish(&one, pipeline, prompted(pipeline, "a cat on a table"))
            results.append((one.latent.array, try frames(one.latent, pipeline)))
        }
        #expect(results[0].latent == results[1].latent)
        let squares = zip(results[0].frames, results[1].frames).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        #expect((squares / Float(results[0].frames.count)).squareRoot() < 0.01)
    }

    /// Alone, or in one batch with another prompt and another seed.
    @Test(arguments: [fixture, qwenFixture]) func batchingDoesNotChangeABit(folder: String) throws {
        let pipeline = try Pipeline(folder: folder, compute: Compute(threads: 2))
        let prompts = [try prompted(pipeline, "a cat"), try prompted(pipeline, "two red birds in the rain, at night")]
        var batch = [try generation(pipeline, seed: 1), try generation(pipeline, seed: 2)]
        while let phase = batch[0].nextPhase {
            try Generation.step(&batch, using: pipeline.expert(phase.expert), prompts)
        }
        for (index, prompt) in prompts.enumerated() {
            var alone = try generation(pipeline, seed: UInt64(index + 1))
            try finish(&alone, pipeline, prompt)
            #expect(alone.latent.array == batch[index].latent.array)
        }
    }

    @Test func interruptEndsAStepAndLeavesTheGenerationAsItWas() throws {
        struct Stop: Error {}
        let pipeline = try Pipeline(folder: fixture, compute: Compute(threads: 1))
        var one = try generation(pipeline, seed: 5)
        let before = one.latent.array
        let phase = try #require(one.nextPhase)
        #expect(throws: Stop.self) {
            try one.step(
                using: pipeline.expert(phase.expert, interrupt: { throw Stop() }), prompted(pipeline, "a cat"))
        }
        #expect(one.latent.array == before && one.stepIndex == 0)
    }

    /// However often a decode asks before it is told to stop, it stops there, and the next decode is whole.
    @Test func interruptEndsADecodeBetweenBlocks() throws {
        struct Stop: Error {}
        let pipeline = try Pipeline(folder: fixture, compute: Compute(threads: 1))
        let latent = try generation(pipeline, seed: 5).latent
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
