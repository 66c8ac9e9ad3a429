import Diffusion
import Foundation
import Tensor

/// Checks of sigma grids and step rules.
struct SchedulerChecks {
    let folder: String

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "scheduler_euler_static":
            return try Self.grids(check) { fields in
                guard let shift = fields["shift"] else { throw VerificationError.unknownCheck(check.name) }
                let steps = Int(fields["n"] ?? 0)
                return fields["default"] != nil
                    ? try .flowMatchDefault(steps: steps, shift: shift) : try .shifted(steps: steps, shift: shift)
            }
        case "scheduler_unipc_flow":
            return try Self.grids(check) { fields in
                guard let shift = fields["shift"] else { throw VerificationError.unknownCheck(check.name) }
                return try .uniPCFlow(steps: Int(fields["n"] ?? 0), shift: shift)
            }
        case "scheduler_euler_dynamic": return try dynamic(check)
        case "scheduler_euler_old_count": return try oldCount(check)
        case "scheduler_renoise": return try renoise(check)
        case "scheduler_renoise_traj":
            let timesteps = try check.parameter("timesteps", as: [NSNumber].self).map(\.floatValue)
            let grid = SigmaGrid.nearest(timesteps: timesteps, shift: try number(check, "grid_shift"))
            return try trajectory(check, .renoise, grid, grid.schedule(steps: nil, tokens: 0))
        case "scheduler_euler_step": return try eulerStep(check)
        case "scheduler_euler_traj":
            let steps: Int = try check.parameter("n")
            let schedule = try SigmaSchedule.shifted(steps: steps, shift: number(check, "shift"))
            return try trajectory(check, .euler, .shifted(steps: steps, shift: number(check, "shift")), schedule)
        case "scheduler_euler_traj_lightning":
            let shift = DynamicShift(configuration: try check.parameter("scheduler"))
            return try trajectory(
                check, grid: .dynamic(steps: check.parameter("n"), shift: shift), tokens: check.input("sample").shape[1]
            )
        case let name where name.hasPrefix("scheduler_unipc_traj"):
            let steps: Int = try check.parameter("n")
            let shift = try number(check, "flow_shift")
            let schedule = try SigmaSchedule.uniPCFlow(steps: steps, shift: shift)
            return try trajectory(check, .uniPC, .uniPCFlow(steps: steps, shift: shift), schedule)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    private func number(_ check: GoldenCheck, _ name: String) throws -> Double {
        try check.parameter(name, as: NSNumber.self).doubleValue
    }

    /// `STUDENT.raw.shiftS.sigmas`: the published times with the sigmas of the nearest in the table; `warped`: the entries
    /// 1000 - t of the table, as times and sigmas.
    private func renoise(_ check: GoldenCheck) throws -> [String: Computed] {
        let students: [String: [Float]] = ["fastwan": [1000, 757, 522], "turbo": [1000, 750, 500, 250]]
        var results: [String: Computed] = [:]
        for name in check.outputs.keys {
            let parts = name.split(separator: ".").map(String.init)
            guard parts.count == 4, let times = students[parts[0]],
                let shift = Double(parts[2].dropFirst("shift".count))
            else { throw VerificationError.unknownCheck(check.name) }
            let table = SigmaSchedule.table(shift: shift)
            let schedule =
                parts[1] == "warped"
                ? try SigmaSchedule(explicit: times.map { Float(table[1000 - Int($0)]) })
                : try SigmaSchedule.nearest(timesteps: times, shift: shift)
            let values = parts[3] == "timesteps" ? schedule.timesteps : Array(schedule.sigmas.dropLast())
            results[name] = .tensor(Tensor(values, shape: [values.count]))
        }
        return results
    }

    /// `old.nN`: what N steps were in Z-Image's pipeline once, N - 1 steps of today and an evaluation at the end that changes
    /// nothing.
    private func oldCount(_ check: GoldenCheck) throws -> [String: Computed] {
        var results: [String: Computed] = [:]
        for name in check.outputs.keys {
            let steps = Int(Self.fields(name)["n"] ?? 0)
            let made = try SigmaSchedule.shifted(steps: steps - 1, shift: number(check, "shift"))
            let values = name.hasSuffix("timesteps") ? made.timesteps : made.sigmas
            results[name] = .tensor(Tensor(values + [0], shape: [values.count + 1]))
        }
        return results
    }

    /// Outputs are named `[kind.]shiftS.nN.sigmas` and `.timesteps`.
    static func grids(
        _ check: GoldenCheck, _ schedule: ([String: Double]) throws -> SigmaSchedule
    ) throws -> [String: Computed] {
        var results: [String: Computed] = [:]
        for name in check.outputs.keys {
            let made = try schedule(fields(name))
            results[name] = part(of: made, named: name)
        }
        return results
    }

    /// `seq24` -> (seq, 24), `shift1.5` -> (shift, 1.5), `default` -> (default, 0).
    private static func fields(_ name: String) -> [String: Double] {
        var fields: [String: Double] = [:]
        var last = (key: "", digits: "")
        for part in name.split(separator: ".") {
            let key = part.prefix { !$0.isNumber }
            // A part without a name is what follows a decimal point.
            last = key.isEmpty ? (last.key, "\(last.digits).\(part)") : (String(key), String(part.dropFirst(key.count)))
            fields[last.key] = Double(last.digits) ?? 0
        }
        return fields
    }

    private static func part(of schedule: SigmaSchedule, named name: String) -> Computed {
        let values = name.hasSuffix("timesteps") ? schedule.timesteps : schedule.sigmas
        return .tensor(Tensor(values, shape: [values.count]))
    }

    private func dynamic(_ check: GoldenCheck) throws -> [String: Computed] {
        var results: [String: Computed] = [:]
        for name in check.outputs.keys {
            let kind = String(name.prefix { $0 != "." })
            let config: [String: Any] = try check.parameter(kind)
            let shift = DynamicShift(configuration: config)
            let fields = Self.fields(name)
            let tokens = Int(fields["seq"] ?? 0)
            if name.hasSuffix(".mu") {
                results[name] = .tensor(Tensor([Float(shift.mu(tokens: tokens))], shape: [1]))
            } else {
                let schedule = try SigmaSchedule.dynamic(steps: Int(fields["n"] ?? 0), tokens: tokens, shift: shift)
                results[name] = Self.part(of: schedule, named: name)
            }
        }
        return results
    }

    /// Outputs are named `seqS.nN.mu`, `.sigmas` and `.timesteps`.
    func empirical(_ check: GoldenCheck, shift: EmpiricalShift) throws -> [String: Computed] {
        var results: [String: Computed] = [:]
        for name in check.outputs.keys {
            let fields = Self.fields(name)
            let (tokens, steps) = (Int(fields["seq"] ?? 0), Int(fields["n"] ?? 0))
            results[name] =
                name.hasSuffix(".mu")
                ? .tensor(Tensor([Float(shift.mu(tokens: tokens, steps: steps))], shape: [1]))
                : Self.part(of: try .empirical(steps: steps, tokens: tokens, shift: shift), named: name)
        }
        return results
    }

    // MARK: Steps

    private func spec(_ sampler: SamplerKind, _ grid: SigmaGrid) throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "check", sampler: sampler, grid: grid, plan: PhasePlan(expert: "transformer", guidanceScale: 1))
    }

    private func generation(
        _ spec: GeneratorSpec, _ schedule: SigmaSchedule, _ latent: Tensor, renoise: [Tensor] = []
    ) throws -> Generation {
        try Generation(
            seed: 0, latent: latent, generator: spec, schedule: schedule,
            guidance: Guidance(rule: .classifierFree, plan: spec.plan), renoise: renoise)
    }

    /// `prev.K`: the given model output applied at step K alone.
    private func eulerStep(_ check: GoldenCheck) throws -> [String: Computed] {
        let (shift, steps) = (try number(check, "shift"), try check.parameter("n", as: Int.self))
        let whole = try SigmaSchedule.flowMatchDefault(steps: steps, shift: shift)
        let output = try check.input("model_output")
        var results: [String: Computed] = [:]
        for name in check.outputs.keys {
            guard let index = Int(name.dropFirst("prev.".count)), 0..<steps ~= index else {
                throw VerificationError.unknownCheck(check.name)
            }
            let rest = try SigmaSchedule(
                sigmas: Array(whole.sigmas[index...]), timesteps: Array(whole.timesteps[index...]))
            var state = try generation(
                spec(.euler, .flowMatchDefault(steps: steps, shift: shift)), rest, check.input("sample"))
            try state.step(using: GivenVelocity { _, _ in output }, Prompted(positive: ()))
            results[name] = .tensor(state.latent)
        }
        return results
    }

    /// Euler steps of a toy network on a grid that depends on the size.
    func trajectory(_ check: GoldenCheck, grid: SigmaGrid, tokens: Int) throws -> [String: Computed] {
        try trajectory(check, .euler, grid, grid.schedule(steps: nil, tokens: tokens))
    }

    /// The fixtures' toy network tanh(x w + t / 1000), stepped to the end.
    private func trajectory(
        _ check: GoldenCheck, _ sampler: SamplerKind, _ grid: SigmaGrid, _ schedule: SigmaSchedule
    ) throws -> [String: Computed] {
        let w = try check.input("w").array
        let toy = GivenVelocity { x, timestep in
            Tensor(zip(x.array, w).map { tanhf($0 * $1 + timestep / 1000) }, shape: x.shape)
        }
        let noise = check.inputs["noise"]?.widened()
        var state = try generation(
            spec(sampler, grid), schedule, check.input("sample"),
            renoise: noise.map { noise in (0..<noise.shape[0]).map { noise[$0] } } ?? [])
        var samples: [Tensor] = []
        var clean: [Tensor] = []
        var outputs: [Tensor] = []
        while let step = state.nextStep {
            outputs.append(toy.function(state.latent.reshaped([1] + state.latent.shape), step.timestep))
            clean.append(try state.step(using: toy, Prompted(positive: ())))
            samples.append(state.latent.reshaped([1] + state.latent.shape))
        }
        return [
            "samples": .tensor(Tensor.concatenate(samples)), "clean": .tensor(stacked(clean)),
            "model_outputs": .tensor(Tensor.concatenate(outputs)),
        ]
    }
}

/// A velocity that is a plain function of latent and timestep.
struct GivenVelocity: VelocityModel {
    let function: (Tensor, Float) -> Tensor

    func velocity(_ evaluation: Evaluation<Void>) throws -> Tensor {
        function(evaluation.latents, evaluation.timesteps[0]).reshaped(evaluation.latents.shape)
    }
}

extension DynamicShift {
    /// Reads a scheduler's configuration in a manifest.
    init(configuration: [String: Any]) {
        func value(_ key: String) -> Double? { (configuration[key] as? NSNumber)?.doubleValue }
        self.init(
            baseShift: value("base_shift") ?? 0, maximumShift: value("max_shift") ?? 0,
            baseTokens: Int(value("base_image_seq_len") ?? 0), maximumTokens: Int(value("max_image_seq_len") ?? 0),
            terminal: value("shift_terminal"))
    }
}
