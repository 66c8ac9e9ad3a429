import Diffusion
import Foundation
import Tensor

/// Checks of the step rules, which the references give in the coordinates of diffusers' schedulers: x_t = cos t x0 + sin t eps, times
/// the deviation of the data.
struct SanaSchedulerChecks {
    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "scheduler_scm": return try grids(check)
        case "scheduler_scm_traj": return try trajectories(check)
        case "scheduler_scm_convert": return try conversion(check)
        case "scheduler_dpm_flow":
            return try SchedulerChecks.grids(check) { fields in
                guard let shift = fields["shift"] else { throw VerificationError.unknownCheck(check.name) }
                return try .dpmFlow(steps: Int(fields["n"] ?? 0), shift: shift)
            }.mapValues(Self.integral)
        case "scheduler_dpm_traj": return try teacher(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    /// Times that the reference has as integers are compared as such.
    private static func integral(_ value: Computed) -> Computed {
        guard case .tensor(let tensor) = value, tensor.array.allSatisfy({ $0 >= 1 && $0 == $0.rounded() }) else {
            return value
        }
        return .integers(tensor.array.map { Int($0) })
    }

    /// `[steps, maximum, intermediate or null]`
    static func times(_ fields: [Any]) throws -> TrigonometricFlow.Times {
        guard fields.count == 3, let steps = fields[0] as? Int, let maximum = (fields[1] as? NSNumber)?.doubleValue
        else {
            throw VerificationError.badFixture("\(fields) are no times")
        }
        return TrigonometricFlow.Times(
            steps: steps, maximum: maximum, intermediate: (fields[2] as? NSNumber)?.doubleValue)
    }

    private func ways(_ check: GoldenCheck) throws -> [(name: String, times: TrigonometricFlow.Times)] {
        try check.parameters.compactMap { name, value in
            guard let fields = value as? [Any] else { return nil }
            return (name, try Self.times(fields))
        }
    }

    private func grids(_ check: GoldenCheck) throws -> [String: Computed] {
        var results: [String: Computed] = [:]
        for (name, times) in try ways(check) {
            let list = times.list(times.steps)
            let schedule = try times.schedule(steps: times.steps)
            results["\(name).timesteps"] = .tensor(Tensor(list, shape: [list.count]))
            results["\(name).scm"] = .tensor(Tensor(schedule.timesteps.map { $0 / 1000 }, shape: [schedule.count]))
        }
        return results
    }

    private static func spec(_ sampler: SamplerKind, _ grid: SigmaGrid) throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "check", sampler: sampler, grid: grid, plan: PhasePlan(expert: "transformer", guidanceScale: 1))
    }

    /// The fixtures' toy network tanh(u w + s), u the latent that a network is given and s its time in 0...1.
    private func trajectories(_ check: GoldenCheck) throws -> [String: Computed] {
        let w = try check.input("w")[0].array
        let (sample, noise) = (try check.input("sample")[0], try check.input("noise"))
        let deviation = Float(try check.number("sigma_data"))
        var results: [String: Computed] = [:]
        for (name, times) in try ways(check) {
            let toy = GivenVelocity { latent, timestep in
                Tensor(zip(latent.array, w).map { tanhf($0 * $1 + timestep / 1000) }, shape: latent.shape)
            }
            let list = times.list(times.steps)
            let schedule = try times.schedule(steps: times.steps)
            let spec = try Self.spec(.renoise, .trigonometric(times))
            var state = try Generation(
                seed: 0, latent: scaled(sample, schedule.start), generator: spec, schedule: schedule,
                guidance: Guidance(rule: .embedded, plan: spec.plan), renoise: (0..<noise.shape[0]).map { noise[$0] })
            var (samples, clean): ([Tensor], [Tensor]) = ([], [])
            while !state.isFinished {
                clean.append(scaled(try state.step(using: toy, Prompted(positive: ())), deviation))
                samples.append(scaled(state.latent, deviation / TrigonometricFlow.factor(list[state.stepIndex])))
            }
            results["\(name).samples"] = .tensor(stacked(samples))
            results["\(name).denoised"] = .tensor(stacked(clean))
        }
        return results
    }

    /// What the reference's pipeline computes around the network, from what stands here in its place: the flow's latent is the
    /// network's input, and v = (cos t x - x0) / sin t with x0 = deviation * (u - s F).
    private func conversion(_ check: GoldenCheck) throws -> [String: Computed] {
        let deviation: Float = 0.5
        let times = try check.input("t").array
        let (samples, raw) = (try check.input("sample"), try check.input("raw"))
        var (inputs, velocities): ([Tensor], [Tensor]) = ([], [])
        for (index, time) in times.enumerated() {
            let sigma = TrigonometricFlow.sigma(time)
            let latent = scaled(samples[index], TrigonometricFlow.factor(time) / deviation)
            let velocity = zip(zip(latent.array, raw[index].array), samples[index].array).map { pair, sample in
                (cosf(time) * sample - deviation * (pair.0 - sigma * pair.1)) / sinf(time)
            }
            inputs.append(latent)
            velocities.append(Tensor(velocity, shape: latent.shape))
        }
        return [
            "scm": .tensor(Tensor(times.map(TrigonometricFlow.sigma), shape: [times.count])),
            "model_input": .tensor(stacked(inputs)), "velocity": .tensor(stacked(velocities)),
        ]
    }

    /// The toy network tanh(x w + t / 1000) of the teacher's rule.
    private func teacher(_ check: GoldenCheck) throws -> [String: Computed] {
        let w = try check.input("w").array
        let shift = try check.number("flow_shift")
        var results: [String: Computed] = [:]
        for name in check.outputs.keys {
            guard name.hasPrefix("n"), let steps = Int(name.dropFirst().prefix { $0.isNumber }) else {
                throw VerificationError.unknownCheck(check.name)
            }
            let toy = GivenVelocity { latent, timestep in
                Tensor(zip(latent.array, w).map { tanhf($0 * $1 + timestep / 1000) }, shape: latent.shape)
            }
            let spec = try Self.spec(.dpm, .dpmFlow(steps: steps, shift: shift))
            var state = try Generation(
                seed: 0, latent: check.input("sample"), generator: spec,
                schedule: spec.schedule(steps: nil, tokens: 0),
                guidance: Guidance(rule: .classifierFree, plan: spec.plan))
            var samples: [Tensor] = []
            while !state.isFinished {
                try state.step(using: toy, Prompted(positive: ()))
                samples.append(state.latent)
            }
            results[name] = .tensor(stacked(samples))
        }
        return results
    }
}
