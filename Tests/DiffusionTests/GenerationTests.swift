import Diffusion
import Foundation
import Tensor
import Testing

@Suite struct GenerationTests {
    private let prompt = Prompted(
        positive: Tensor([0.5, -1, 2, 0.1, 0.9, -0.3], shape: [6]), negative: Tensor([0.2], shape: [1]))

    /// Two experts, guidance 4 and 3 or off, each sampler.
    private func generator(_ sampler: SamplerKind, guided: Bool = true) throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "test", sampler: sampler,
            grid: sampler == .uniPC
                ? .uniPCFlow(steps: 6, shift: 3)
                : sampler == .dpm
                    ? .dpmFlow(steps: 6, shift: 3)
                    : [.euler, .renoise].contains(sampler)
                        ? .shifted(steps: 6, shift: 3) : .discrete(DiscreteGrid(.trailing, steps: 6, eta: 0.3)),
            plan: PhasePlan(boundary: 0.7, guidanceScales: guided ? (4, 3) : (1, 1)))
    }

    private func generation(_ sampler: SamplerKind, seed: UInt64 = 1, guided: Bool = true) throws -> Generation {
        let generator = try generator(sampler, guided: guided)
        return try Generation(
            seed: seed, latentShape: [2, 3, 1], generator: generator,
            schedule: generator.schedule(steps: nil, tokens: 0),
            guidance: Guidance(rule: .classifierFree, plan: generator.plan))
    }

    /// What a server does: asks which expert is next and runs that one.
    private func run(_ generation: inout Generation, _ experts: [String: some VelocityModelOfTensors]) throws {
        while let phase = generation.nextPhase {
            try generation.step(using: #require(experts[phase.expert]), prompt)
        }
    }

    @Test func everyStepGoesToTheExpertThatOwnsIt() throws {
        let high = RecordingExpert(.toy)
        let low = RecordingExpert(.toy)
        var generation = try generation(.euler)
        let schedule = generation.schedule
        try run(&generation, ["transformer": high, "transformer_2": low])
        let highSteps = schedule.timesteps.filter { $0 >= 700 }
        let lowSteps = schedule.timesteps.filter { $0 < 700 }
        #expect(!highSteps.isEmpty && !lowSteps.isEmpty)
        // Two rows a step: with and without the prompt.
        #expect(high.timesteps == highSteps.map { [$0, $0] })
        #expect(low.timesteps == lowSteps.map { [$0, $0] })
        #expect(generation.isFinished && generation.nextStep == nil && generation.nextPhase == nil)
        #expect(generation.evaluations == 12)
    }

    @Test func withoutGuidanceAStepIsOneRow() throws {
        let expert = RecordingExpert(.toy)
        var generation = try generation(.euler, guided: false)
        #expect(generation.evaluations == 6)
        while !generation.isFinished {
            try generation.step(using: expert, Prompted(positive: prompt.positive))
        }
        #expect(expert.timesteps == generation.schedule.timesteps.map { [$0] })
    }

    @Test func guidanceNeedsANegative() throws {
        var generation = try generation(.euler)
        let before = generation.latent.array
        #expect(throws: DiffusionError.self) {
            try generation.step(using: ElementwiseExpert.toy, Prompted(positive: prompt.positive))
        }
        #expect(generation.latent.array == before && generation.stepIndex == 0)
    }

    /// One guided Euler step, by hand.
    @Test func aGuidedStep() throws {
        var generation = try generation(.euler)
        let before = generation.latent.array
        let step = try #require(generation.nextStep)
        let x0 = try generation.step(using: ElementwiseExpert.toy, prompt)
        let w = prompt.positive.array
        for (i, x) in before.enumerated() {
            let cond = tanh(x * w[i] + step.timestep / 1000)
            let uncond = tanh(x * 0.2 + step.timestep / 1000)
            let velocity = uncond + 4 * (cond - uncond)
            #expect(abs(generation.latent.array[i] - (x + (step.nextSigma - step.sigma) * velocity)) < 1e-6)
            #expect(abs(x0.array[i] - (x - step.sigma * velocity)) < 1e-6)
        }
    }

    @Test(arguments: SamplerKind.allCases)
    func storedAndResumedAtEveryStepGivesTheSameBytes(sampler: SamplerKind) throws {
        let expert = ElementwiseExpert.toy
        var straight = try generation(sampler)
        while !straight.isFinished { try straight.step(using: expert, prompt) }

        var resumed = try generation(sampler)
        for round in 0... {
            if round % 2 == 0 {
                resumed = try JSONDecoder().decode(Generation.self, from: JSONEncoder().encode(resumed))
            } else {
                let encoder = PropertyListEncoder()
                encoder.outputFormat = .binary
                resumed = try PropertyListDecoder().decode(Generation.self, from: encoder.encode(resumed))
            }
            if resumed.isFinished { break }
            try resumed.step(using: expert, prompt)
        }
        #expect(bits(resumed.latent) == bits(straight.latent))
        #expect(resumed.seed == straight.seed && resumed.plan == straight.plan && resumed.guidance == straight.guidance)
        #expect(resumed.schedule == straight.schedule && resumed.stepIndex == straight.stepIndex)
    }

    /// Batches of generations at different steps, with different samplers, seeds and guidance.
    @Test func batchedGivesTheSameBytesAsAlone() throws {
        let starts = try [
            generation(.euler, seed: 1), generation(.euler, seed: 2, guided: false), generation(.uniPC, seed: 3),
            generation(.renoise, seed: 4),
        ]
        let expert = ElementwiseExpert.toy
        let alone = try starts.map { start in
            var generation = start
            var estimates: [[UInt32]] = []
            while !generation.isFinished { estimates.append(bits(try generation.step(using: expert, prompt))) }
            return (bits(generation.latent), estimates)
        }

        var generations = starts
        try generations[1].step(using: expert, prompt)
        var estimates: [[[UInt32]]] = [[], [alone[1].1[0]], [], []]
        while true {
            // Whoever waits for the expert of the first unfinished one.
            guard let wanted = generations.lazy.compactMap(\.nextPhase).first?.expert else { break }
            let waiting = generations.indices.filter { generations[$0].nextPhase?.expert == wanted }
            var batch = waiting.map { generations[$0] }
            let previews = try Generation.step(&batch, using: expert, batch.map { _ in prompt })
            for (index, (generation, preview)) in zip(waiting, zip(batch, previews)) {
                generations[index] = generation
                estimates[index].append(bits(preview))
            }
        }
        for (index, (latent, previews)) in alone.enumerated() {
            #expect(bits(generations[index].latent) == latent)
            #expect(estimates[index] == previews)
        }
    }

    @Test func aThrowingExpertLeavesTheGenerationAsItWas() throws {
        var generation = try generation(.uniPC)
        try generation.step(using: ElementwiseExpert.toy, prompt)
        let before = generation
        #expect(throws: RecordingExpert.Cancelled.self) {
            try generation.step(using: RecordingExpert(.toy, failing: true), prompt)
        }
        #expect(generation.stepIndex == 1 && bits(generation.latent) == bits(before.latent))
        var copy = before
        try generation.step(using: ElementwiseExpert.toy, prompt)
        try copy.step(using: ElementwiseExpert.toy, prompt)
        #expect(bits(generation.latent) == bits(copy.latent))
    }

    @Test func unfitBatchesAreRefused() throws {
        struct WrongShape: VelocityModel {
            func velocity(_ evaluation: Evaluation<Tensor>) throws -> Tensor {
                Tensor(zeros: [1])
            }
        }
        let first = try generation(.euler)
        var later = first
        while later.nextPhase?.expert == "transformer" { try later.step(using: ElementwiseExpert.toy, prompt) }
        var finished = later
        while !finished.isFinished { try finished.step(using: ElementwiseExpert.toy, prompt) }
        let generator = try generator(.euler)
        let wider = try Generation(
            seed: 1, latentShape: [6], generator: generator, schedule: first.schedule, guidance: first.guidance)

        for (other, reason) in [(later, "waits for"), (finished, "finished"), (wider, "do not share")] {
            var batch = [first, other]
            #expect("\(other.stepIndex)") {
                try Generation.step(&batch, using: ElementwiseExpert.toy, [prompt, prompt])
            } throws: {
                "\($0)".contains(reason)
            }
        }
        var batch = [first]
        #expect(throws: DiffusionError.self) { try Generation.step(&batch, using: ElementwiseExpert.toy, []) }
        #expect(throws: DiffusionError.self) { try Generation.step(&batch, using: WrongShape(), [prompt]) }
        #expect(batch[0].stepIndex == 0)
        var empty: [Generation] = []
        #expect(try Generation.step(&empty, using: ElementwiseExpert.toy, []).isEmpty)
    }

    @Test func imagesOfARequestAreThoseOfTheirSeeds() throws {
        let images = try (0..<3).map { try generation(.euler, seed: 40 + $0).latent }
        #expect(Set(images.map(bits)).count == 3)
        #expect(try bits(generation(.euler, seed: 42).latent) == bits(images[2]))
    }

    /// A stored generation may have been damaged: never a trap, never a silently different picture.
    @Test func damagedGenerationsAreRefused() throws {
        var generation = try generation(.uniPC)
        for _ in 0..<3 { try generation.step(using: ElementwiseExpert.toy, prompt) }
        let stored = try #require(
            JSONSerialization.jsonObject(with: JSONEncoder().encode(generation)) as? [String: Any])
        func decode(_ change: (inout [String: Any]) -> Void) throws {
            var changed = stored
            change(&changed)
            _ = try JSONDecoder().decode(Generation.self, from: JSONSerialization.data(withJSONObject: changed))
        }
        try decode { _ in }
        let small: [String: Any] = ["shape": [1], "values": Data(count: 4).base64EncodedString()]
        let damages: [(String, Any?)] = [
            ("stepIndex", -1), ("stepIndex", 7), ("stepIndex", 1), ("stepIndex", 0), ("seed", -4), ("sampler", "heun"),
            ("sampler", "euler"), ("previous", nil), ("estimates", [Any]()), ("estimates", [small, small]),
            ("previous", small), ("latent", nil), ("plan", [Any]()), ("latent", ["shape": [2, 3, 1], "values": ""]),
            ("latent", ["shape": [-2, -3, 1], "values": ""]), ("latent", ["shape": [0], "values": ""]),
            ("latent", ["shape": [Int.max, Int.max], "values": Data(count: 24).base64EncodedString()]),
            ("latent", ["shape": [2, 3], "values": Data(count: 25).base64EncodedString()]),
            ("schedule", ["sigmas": [1, 0.5, 0.6, 0], "timesteps": [1000, 500, 600]]),
            ("guidance", ["rule": "classifierFree", "scales": [4]]),
        ]
        for (key, value) in damages {
            #expect(throws: (any Error).self, "\(key) = \(value ?? "absent")") { try decode { $0[key] = value } }
        }
    }

    private func bits(_ tensor: Tensor) -> [UInt32] { tensor.array.map(\.bitPattern) }
}

/// Lets a dictionary of experts be written down.
private protocol VelocityModelOfTensors: VelocityModel where Conditioning == Tensor {}
extension RecordingExpert: VelocityModelOfTensors {}
