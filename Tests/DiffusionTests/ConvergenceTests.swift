import Diffusion
import Foundation
import Tensor
import Testing

/// Against flows whose end is known exactly.
@Suite struct ConvergenceTests {
    private let nothing = Tensor(zeros: [1])

    /// The root mean square distance to x0 = m + s x_1 after `steps` steps.
    private func error(_ sampler: SamplerKind, steps: Int) throws -> Double {
        let generator = try GeneratorSpec.single(sampler)
        var schedule = try generator.schedule(steps: steps, tokens: 0)
        if [.uniPC, .dpm].contains(sampler) {
            // Whole timesteps tell the model a wrong sigma, which is not the error of the solver.
            schedule = try SigmaSchedule(explicit: Array(schedule.sigmas.dropLast()))
        }
        var generation = try Generation.unguided(generator, schedule, seed: 11, latentShape: [512])
        let start = generation.latent.array
        try generation.finish(ElementwiseExpert.gaussian, nothing)
        let squares = zip(start, generation.latent.array).map { x1, x0 in
            let difference = Double(x0) - (1.5 + 0.4 * Double(x1))
            return difference * difference
        }
        return (squares.reduce(0, +) / Double(squares.count)).squareRoot()
    }

    @Test func eulerIsOfFirstOrder() throws {
        let errors = try [20, 40, 80].map { try error(.euler, steps: $0) }
        #expect(errors[2] < 0.05)
        for (coarse, fine) in zip(errors, errors.dropFirst()) {
            #expect((1.8...2.2).contains(coarse / fine), "\(errors)")
        }
    }

    @Test(arguments: [SamplerKind.uniPC, .dpm]) func multistepRulesAreOfSecondOrder(sampler: SamplerKind) throws {
        let errors = try [10, 20, 40].map { try error(sampler, steps: $0) }
        #expect(errors[2] < 0.01)
        for (coarse, fine) in zip(errors, errors.dropFirst()) {
            #expect(coarse / fine > 3.2, "\(errors)")
        }
        #expect(try errors[1] * 2 < error(.euler, steps: 20))
    }

    @Test(arguments: [(SamplerKind.euler, 200), (.uniPC, 30)])
    func samplesAMixture(sampler: SamplerKind, steps: Int) throws {
        let modes = [(weight: 0.3, mean: -1.0, deviation: 0.2), (0.7, 1.2, 0.3)]
        let generator = try GeneratorSpec.single(sampler)
        let schedule = try generator.schedule(steps: steps, tokens: 0)
        let count = 4000
        var generation = try Generation.unguided(generator, schedule, seed: 21, latentShape: [count])
        try generation.finish(ElementwiseExpert.mixture(modes), nothing)
        let values = generation.latent.array.map(Double.init)
        let distance = kolmogorovDistance(values) { x in
            var cumulative = 0.0
            for (weight, mean, deviation) in modes {
                cumulative += weight * 0.5 * erfc((mean - x) / (deviation * 2.0.squareRoot()))
            }
            return cumulative
        }
        #expect(distance < 1.63 / Double(count).squareRoot())
    }

    /// Re-noising samples the right distribution exactly if x0 is drawn from the flow, as a student draws it.
    @Test func renoiseSamplesThroughAStudent() throws {
        let generator = try GeneratorSpec.single(.renoise)
        let count = 4000
        var generation = try Generation.unguided(
            generator, generator.schedule(steps: 4, tokens: 0), seed: 31, latentShape: [count])
        let start = generation.latent.array
        try generation.finish(ElementwiseExpert.gaussianStudent, nothing)
        let values = generation.latent.array.map(Double.init)
        let distance = kolmogorovDistance(values) { 0.5 * erfc((1.5 - $0) / (0.4 * 2.0.squareRoot())) }
        #expect(distance < 1.63 / Double(count).squareRoot())
        // It is not the deterministic map: fresh noise entered.
        let products = zip(start, values).map { x1, x0 in Double(x1) * (x0 - 1.5) / 0.4 }
        #expect(abs(products.reduce(0, +) / Double(count)) < 0.9)
    }

    /// A perfect student needs one Euler step of any length.
    @Test func studentIsExactInOneStep() throws {
        var generation = try Generation.unguided(
            .single(.euler), .shifted(steps: 1, shift: 3), seed: 1, latentShape: [64])
        let expected = generation.latent.array.map { 1.5 + 0.4 * $0 }
        try generation.finish(ElementwiseExpert.gaussianStudent, nothing)
        #expect(excess(generation.latent.array, over: expected, atol: 1e-6, rtol: 1e-6) <= 0)
    }
}
