import Diffusion
import Foundation
import Synchronization
import Tensor
import Testing

/// What a network reads beside latent and prompt has its place in a generation, from the first step to the last.
@Suite struct GenerationInputsTests {
    /// Notes what it was given, and answers ones.
    private final class Listener: VelocityModel {
        let heard = Mutex<[Evaluation<Int>]>([])

        func velocity(_ evaluation: Evaluation<Int>) throws -> Tensor {
            heard.withLock { $0 = $0 + [evaluation] }
            return Tensor(repeating: 1, shape: evaluation.latents.shape)
        }
    }

    private static let shape = [2, 3, 1, 2]

    private func generation(_ inputs: GenerationInputs, seed: UInt64 = 1) throws -> Generation {
        let spec = try GeneratorSpec.single(.euler)
        return try Generation(
            seed: seed, latentShape: Self.shape, generator: spec, schedule: spec.schedule(steps: 4, tokens: 0),
            guidance: Guidance(rule: .classifierFree, plan: spec.plan), inputs: inputs)
    }

    private func ramp(_ shape: [Int], from start: Float) -> Tensor {
        Tensor((0..<shape.reduce(1, *)).map { start + Float($0) }, shape: shape)
    }

    @Test func theyReachTheNetworkAtEveryStep() throws {
        let inputs = GenerationInputs(
            channels: ramp([3, 3, 1, 2], from: 10), references: [ramp([2, 1, 4, 4], from: 20)])
        var generation = try generation(inputs)
        let listener = Listener()
        while !generation.isFinished { try generation.step(using: listener, Prompted(positive: 7)) }
        let heard = listener.heard.withLock { $0 }
        #expect(heard.count == 4)
        for evaluation in heard {
            #expect(evaluation.inputs[0].channels?.array == inputs.channels?.array)
            #expect(evaluation.inputs[0].references.map(\.array) == inputs.references.map(\.array))
            #expect(evaluation.conditionings == [7])
        }
        // A flow map reads where the step goes: to the next timestep, at last to 0.
        let timesteps = generation.schedule.timesteps
        #expect(heard.map { $0.timesteps[0] } == timesteps)
        #expect(heard.map { $0.targets[0] } == Array(timesteps.dropFirst()) + [0])
    }

    /// The given frames are there before, between and after the steps; the others are denoised.
    @Test func givenFramesStayAsTheyAre() throws {
        let given = ramp([2, 1, 1, 2], from: 100)
        var generation = try generation(GenerationInputs(givenFrames: given))
        func check(_ latent: Tensor) {
            // [C, F, H, W]: the first frame of each channel.
            let values = latent.array
            #expect(Array(values[0..<2]) == [100, 101] && Array(values[6..<8]) == [102, 103])
        }
        check(generation.latent)
        let noise = generation.latent.array
        while !generation.isFinished {
            check(try generation.step(using: Listener(), Prompted(positive: 0)))
            check(generation.latent)
        }
        // Velocity 1 from sigma 1 to 0.
        for index in [2, 3, 4, 5, 8, 9, 10, 11] {
            #expect(abs(generation.latent.array[index] - (noise[index] - 1)) < 1e-5)
        }
    }

    @Test func theySurviveStorage() throws {
        let inputs = GenerationInputs(
            channels: ramp([1, 3, 1, 2], from: 1), references: [ramp([2, 1, 1, 1], from: 2)],
            givenFrames: ramp([2, 2, 1, 2], from: 3))
        var generation = try generation(inputs)
        try generation.step(using: Listener(), Prompted(positive: 0))
        let stored = try JSONEncoder().encode(generation)
        let copy = try JSONDecoder().decode(Generation.self, from: stored)
        #expect(copy.shapes == generation.shapes)
        #expect(copy.inputs.channels?.array == inputs.channels?.array)
        #expect(copy.inputs.references.map(\.array) == inputs.references.map(\.array))
        #expect(copy.inputs.givenFrames?.array == inputs.givenFrames?.array)
        #expect(copy.latent.array == generation.latent.array)
    }

    @Test func whatDoesNotFitIsRefused() throws {
        for inputs in [
            GenerationInputs(channels: ramp([1, 2, 1, 2], from: 0)), GenerationInputs(channels: ramp([6], from: 0)),
            GenerationInputs(givenFrames: ramp([2, 4, 1, 2], from: 0)),
            GenerationInputs(givenFrames: ramp([1, 1, 1, 2], from: 0)),
            GenerationInputs(givenFrames: ramp([4], from: 0)),
        ] {
            #expect(throws: DiffusionError.self) { try generation(inputs) }
        }
        // Other references, another evaluation.
        var batch = [
            try generation(GenerationInputs()),
            try generation(GenerationInputs(references: [ramp([2, 1, 1, 1], from: 0)])),
        ]
        #expect(throws: DiffusionError.self) {
            try Generation.step(&batch, using: Listener(), [Prompted(positive: 0), Prompted(positive: 0)])
        }
    }
}
