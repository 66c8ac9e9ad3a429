import Diffusion
import Foundation
import Tensor
import Testing

/// Trajectories that diffusers computed.
@Suite struct SamplerTests {
    /// Runs the fixtures' toy model; compares the state after every step and what the model returned.
    private func followTrajectory(
        _ name: String, _ generator: GeneratorSpec, _ schedule: SigmaSchedule, tolerance: Float
    ) throws {
        let golden = try GoldenTensors(name)
        let samples = try golden.tensor("out.samples")
        let outputs = try golden.tensor("out.model_outputs")
        let expert = RecordingExpert(.toy)
        let w = try golden.tensor("in.w")
        var generation = try Generation.unguided(generator, schedule, latent: golden.tensor("in.sample"))
        for k in 0..<schedule.count {
            let before = generation.latent
            let x0 = try generation.step(using: expert, Prompted(positive: w))
            #expect(
                excess(generation.latent.array, over: samples[k].array, atol: tolerance, rtol: tolerance) <= 0,
                "state after step \(k)")
            #expect(
                excess(expert.velocities[k].array, over: outputs[k].array, atol: tolerance, rtol: tolerance) <= 0,
                "velocity at step \(k)")
            let expected = zip(before.array, outputs[k].array).map { $0 - schedule.sigmas[k] * $1 }
            #expect(excess(x0.array, over: expected, atol: tolerance, rtol: tolerance) <= 0, "x0 at step \(k)")
        }
        #expect(generation.isFinished)
        #expect(expert.timesteps.map { $0[0] } == schedule.timesteps)
    }

    @Test func eulerTrajectory() throws {
        try followTrajectory(
            "scheduler_euler_traj", .single(.euler), .shifted(steps: 4, shift: 5), tolerance: 1e-5)
    }

    @Test(arguments: [(4, 5.0), (8, 12), (20, 3)]) func uniPCTrajectory(steps: Int, shift: Double) throws {
        try followTrajectory(
            "scheduler_unipc_traj_n\(steps)", .single(.uniPC), .uniPCFlow(steps: steps, shift: shift), tolerance: 2e-5)
    }

    @Test(arguments: [0, 3, 7]) func eulerStep(index: Int) throws {
        let golden = try GoldenTensors("scheduler_euler_step")
        let whole = try SigmaSchedule.flowMatchDefault(steps: 8, shift: 5)
        let rest = try SigmaSchedule(
            sigmas: Array(whole.sigmas[index...]), timesteps: Array(whole.timesteps[index...]))
        var generation = try Generation.unguided(.single(.euler), rest, latent: golden.tensor("in.sample"))
        let output = try golden.tensor("in.model_output")
        try generation.step(using: ElementwiseExpert { _, _, v in v }, Prompted(positive: output))
        let reference = try golden.values("out.prev.\(index)")
        #expect(excess(generation.latent.array, over: reference, atol: 2e-6, rtol: 2e-6) <= 0)
    }

    /// x = (1 - s') x0 + s' eps, with the noise of the step; at the end x0 itself.
    @Test func renoiseStep() throws {
        let schedule = try SigmaSchedule(explicit: [1, 0.25])
        var generation = try Generation.unguided(.single(.renoise), schedule, seed: 9, latentShape: [2, 5])
        let expert = ElementwiseExpert { x, _, _ in 0.5 * x }
        let prompt = Prompted(positive: Tensor(zeros: [1]))
        let start = generation.latent.array
        let x0 = try generation.step(using: expert, prompt)
        #expect(x0.array == start.map { $0 - 0.5 * $0 })
        let noise = GaussianNoise(seed: 9, purpose: .renoise(step: 0)).tensor(shape: [2, 5]).array
        #expect(generation.latent.array == zip(x0.array, noise).map { 0.75 * $0 + 0.25 * $1 })
        let last = try generation.step(using: expert, prompt)
        #expect(generation.latent.array == last.array)
    }

    @Test func uniPCStaysFinite() throws {
        for steps in [1, 2, 3, 1000] {
            let schedule = try SigmaSchedule.uniPCFlow(steps: steps, shift: 12)
            var generation = try Generation.unguided(.single(.uniPC), schedule, seed: 3)
            try generation.finish(ElementwiseExpert.toy, Tensor([1], shape: [1]))
            let finite = generation.latent.array.allSatisfy { $0.isFinite }
            #expect(finite)
        }
    }
}
