import Diffusion
import Tensor
import Testing

/// A generation that starts from a picture.
@Suite struct PictureStartTests {
    private func generation(strength: Float?) throws -> Generation {
        let generator = try GeneratorSpec(
            name: "test", sampler: .euler, grid: .shifted(steps: 4, shift: 3),
            plan: PhasePlan(expert: "transformer", guidanceScale: 1))
        let schedule = try generator.schedule(steps: nil, tokens: 0)
        return try Generation(
            seed: 7, latentShape: [2, 1, 3, 2], generator: generator,
            schedule: strength.map { schedule.from(strength: $0) } ?? schedule,
            guidance: Guidance(rule: .classifierFree, plan: generator.plan))
    }

    /// Sigmas of four steps at shift 3: 1, .9, .75, .5.
    @Test(arguments: [(1, 4), (0.96, 4), (0.94, 3), (0.8, 2), (0.6, 1), (0.01, 1)] as [(Float, Int)])
    func strengthNamesTheNearestStep(strength: Float, steps: Int) throws {
        let whole = try generation(strength: nil).schedule
        let part = whole.from(strength: strength)
        #expect(part.count == steps)
        #expect(part.sigmas == Array(whole.sigmas.suffix(steps + 1)))
        #expect(part.timesteps == Array(whole.timesteps.suffix(steps)))
    }

    @Test func startsBetweenPictureAndNoise() throws {
        var changed = try generation(strength: 0.75)
        let noise = changed.latent.array
        let clean = (0..<12).map { Float($0) / 4 - 1 }
        try changed.start(from: Tensor(clean, shape: [2, 1, 3, 2]))
        let sigma = changed.schedule.sigmas[0]
        #expect(sigma == 0.75)
        for (value, (clean, noise)) in zip(changed.latent.array, zip(clean, noise)) {
            #expect(abs(value - (0.25 * clean + 0.75 * noise)) < 1e-6)
        }
        #expect(changed.evaluations == 2)
    }

    @Test func refusesAPictureOfOtherSides() throws {
        var changed = try generation(strength: 0.75)
        #expect(throws: DiffusionError.self) { try changed.start(from: Tensor(zeros: [2, 1, 3, 3])) }
        #expect(throws: DiffusionError.self) {
            try changed.take(GenerationInputs(channels: Tensor(zeros: [4, 1, 3, 3])))
        }
    }
}
