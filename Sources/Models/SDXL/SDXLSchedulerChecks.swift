import Diffusion
import Foundation
import Tensor

/// Checks of the rules on Stable Diffusion's times, which the references give in the coordinates of diffusers' schedulers.
struct SDXLSchedulerChecks {
    /// A way to generate as a fixture describes it.
    struct Way {
        let spec: GeneratorSpec
        /// Whether the reference's latents are x0 + r eps; else they are of variance 1.
        let isUnbounded: Bool

        /// - Parameter fields: `scheduler`, with `num_inference_steps` or `timesteps` and maybe `eta`.
        init(_ fields: [String: Any], guidance: Float) throws {
            let scheduler = fields["scheduler"] as? [String: Any] ?? [:]
            let kind = scheduler["_class_name"] as? String ?? ""
            let samplers: [String: SamplerKind] = [
                "LCMScheduler": .renoise, "EulerDiscreteScheduler": .euler,
                "EulerAncestralDiscreteScheduler": .ancestral,
                "DDIMScheduler": .ddim, "TCDScheduler": .tcd,
            ]
            guard let sampler = samplers[kind] else {
                throw VerificationError.badFixture("the scheduler \"\(kind)\" is not known here")
            }
            let times: DiscreteGrid.Times =
                if let list = fields["timesteps"] as? [Int] {
                    .fixed(list)
                } else if kind == "LCMScheduler" || kind == "TCDScheduler" {
                    .consistency
                } else {
                    scheduler["timestep_spacing"] as? String == "trailing" ? .trailing : .leading
                }
            let prediction: Prediction =
                kind == "LCMScheduler"
                ? .consistency : scheduler["prediction_type"] as? String == "sample" ? .sample : .own
            let grid = DiscreteGrid(
                times, steps: fields["num_inference_steps"] as? Int ?? 1, prediction: prediction,
                eta: (fields["eta"] as? NSNumber)?.floatValue ?? 0)
            spec = try GeneratorSpec(
                name: "check", sampler: sampler, grid: .discrete(grid),
                plan: PhasePlan(expert: SDXLFamily.expert, guidanceScale: guidance))
            isUnbounded = kind.hasPrefix("Euler")
        }

        /// The reference's latent per one of the flow before step `index`; 1 after the last.
        func scale(_ schedule: SigmaSchedule, before index: Int) -> Float {
            guard index < schedule.count else { return 1 }
            let ratio = DiscreteNoise.ratio(Int(schedule.timesteps[index]))
            return Float(isUnbounded ? 1 + ratio : (1 + ratio) / (1 + ratio * ratio).squareRoot())
        }
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "scheduler_alphas":
            return ["alphas_cumprod": .tensor(Tensor(DiscreteNoise.alphas, shape: [DiscreteNoise.times]))]
        case "scheduler_sdxl_grids": return try grids(check)
        case "scheduler_sdxl_traj": return try trajectories(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private func ways(_ check: GoldenCheck) throws -> [(name: String, way: Way, schedule: SigmaSchedule)] {
        try check.parameters.compactMap { name, value in
            guard let fields = value as? [String: Any] else { return nil }
            let way = try Way(fields, guidance: 0)
            return (name, way, try way.spec.schedule(steps: nil, tokens: 0))
        }
    }

    private func grids(_ check: GoldenCheck) throws -> [String: Computed] {
        var results: [String: Computed] = [:]
        func set(_ name: String, _ values: [Float]) { results[name] = .tensor(Tensor(values, shape: [values.count])) }
        for (name, way, schedule) in try ways(check) {
            set("\(name).timesteps", schedule.timesteps)
            set("\(name).sigmas", schedule.sigmas.map { $0 / (1 - $0) })
            set("\(name).init_noise_sigma", [schedule.start * way.scale(schedule, before: 0)])
        }
        return results
    }

    /// The fixtures' toy network tanh(u w + t / 1000), u the latent that a network is given.
    private func trajectories(_ check: GoldenCheck) throws -> [String: Computed] {
        let w = try check.input("w")[0].array
        let (sample, noise) = (try check.input("sample")[0], try check.input("noise"))
        var results: [String: Computed] = [:]
        for (name, way, schedule) in try ways(check) {
            let toy = GivenVelocity { latent, timestep in
                let input = DiscreteNoise.input(latent, timestep: timestep)
                let output = Tensor(
                    zip(input.array, w).map { tanhf($0 * $1 + timestep / 1000) }, shape: latent.shape)
                return DiscreteNoise.velocity(
                    of: output, latent: latent, timestep: timestep, prediction: schedule.prediction)
            }
            var state = try Generation(
                seed: 0, latent: scaled(sample, schedule.start), generator: way.spec, schedule: schedule,
                guidance: Guidance(rule: .classifierFree, plan: way.spec.plan),
                renoise: (0..<noise.shape[0]).map { noise[$0] })
            var samples: [Tensor] = []
            while !state.isFinished {
                try state.step(using: toy, Prompted(positive: ()))
                samples.append(scaled(state.latent, way.scale(schedule, before: state.stepIndex)))
            }
            results["\(name).samples"] = .tensor(stacked(samples))
        }
        return results
    }
}

/// x * factor.
func scaled(_ x: Tensor, _ factor: Float) -> Tensor { Tensor(x.array.map { $0 * factor }, shape: x.shape) }
