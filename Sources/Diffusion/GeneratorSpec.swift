/// One way to generate with a model: a step rule, a grid of sigmas and the experts that own them.
///
/// A model folder may hold several, such as the distilled student and its teacher.
package struct GeneratorSpec: Sendable, Equatable {
    package let name: String
    package let sampler: SamplerKind
    package let grid: SigmaGrid
    package let plan: PhasePlan

    /// - Throws: `DiffusionError.schedule` if the sampler cannot walk the grid or the default schedule is not valid,
    ///   `DiffusionError.phases` if a phase owns none of the sigmas of a fixed grid: its expert would never run.
    package init(name: String, sampler: SamplerKind, grid: SigmaGrid, plan: PhasePlan) throws {
        if let reason = sampler.refusal(of: grid) { throw DiffusionError.schedule(reason) }
        self.name = name
        self.sampler = sampler
        self.grid = grid
        self.plan = plan

        if case .fixed(let sigmas, _) = grid {
            let used = Set(try schedule(steps: nil, tokens: 0).timesteps.map(plan.phaseIndex(timestep:)))
            if let idle = plan.phases.indices.first(where: { !used.contains($0) }) {
                let phase = plan.phases[idle]
                throw DiffusionError.phases(
                    "'\(phase.name)' owns sigma [\(phase.lower), \(phase.upper)) but none of the sigmas "
                        + "\(sigmas) of generator '\(name)', so its expert would never run")
            }
        }
    }

    /// What Phased DMD and Lightning distil: deterministic Euler on a linear grid shifted once, no guidance.
    ///
    /// With 4 steps, shift 5 and boundary 0.875: sigmas 1, .9375 (high-noise expert), .8333, .625 (low-noise expert).
    /// Without a boundary the model has one expert, `transformer`.
    package static func distilled(steps: Int, shift: Double, boundary: Double?) throws -> GeneratorSpec {
        let plan =
            if let boundary {
                try PhasePlan(boundary: boundary, guidanceScales: (1, 1))
            } else {
                try PhasePlan(expert: "transformer", guidanceScale: 1)
            }
        return try GeneratorSpec(
            name: "student", sampler: .euler, grid: .shifted(steps: steps, shift: shift), plan: plan)
    }

    /// - Parameters:
    ///   - steps: what was asked for; nil for the default.
    ///   - tokens: the number of image tokens; only a dynamic grid depends on it.
    /// - Throws: `DiffusionError.steps` with the reason if that number of steps is not possible.
    package func schedule(steps: Int?, tokens: Int) throws -> SigmaSchedule {
        if case .discrete(let grid) = grid { return try grid.schedule(sampler, steps: steps) }
        return try grid.schedule(steps: steps, tokens: tokens)
    }
}

/// The rule that turns a number of steps into sigmas.
package enum SigmaGrid: Sendable, Equatable {
    /// The grid a student was trained on, without the final 0. Another number of steps is possible only if its shift
    /// is known.
    case fixed(sigmas: [Float], shift: Double?)
    /// The times a student was trained on; the sigmas are those of the nearest times of a shifted table.
    case nearest(timesteps: [Float], shift: Double)
    case shifted(steps: Int, shift: Double)
    case flowMatchDefault(steps: Int, shift: Double)
    case dynamic(steps: Int, shift: DynamicShift)
    case empirical(steps: Int, shift: EmpiricalShift)
    case uniPCFlow(steps: Int, shift: Double)
    case dpmFlow(steps: Int, shift: Double)
    /// The times of a trigonometric flow (SANA-Sprint).
    case trigonometric(TrigonometricFlow.Times)
    /// A grid on the 1000 times of Stable Diffusion.
    case discrete(DiscreteGrid)

    /// Whether it is for networks that know the 1000 times of Stable Diffusion; the others are for flows.
    package var isDiscrete: Bool { if case .discrete = self { true } else { false } }

    package var defaultSteps: Int {
        switch self {
        case .fixed(let sigmas, _): sigmas.count
        case .nearest(let timesteps, _): timesteps.count
        case .shifted(let steps, _), .flowMatchDefault(let steps, _), .dynamic(let steps, _), .empirical(let steps, _),
            .uniPCFlow(let steps, _), .dpmFlow(let steps, _):
            steps
        case .trigonometric(let times): times.steps
        case .discrete(let grid): grid.steps
        }
    }

    package func schedule(steps: Int?, tokens: Int) throws -> SigmaSchedule {
        let steps = steps ?? defaultSteps
        switch self {
        case .fixed(let sigmas, let shift):
            if steps == sigmas.count { return try SigmaSchedule(explicit: sigmas) }
            guard let shift else {
                throw DiffusionError.steps(
                    "num_inference_steps is \(steps), but this generator was distilled for exactly \(sigmas.count) steps, "
                        + "sigmas \(sigmas), and names no shift from which others would follow")
            }
            return try SigmaSchedule.shifted(steps: steps, shift: shift)
        case .nearest(let timesteps, let shift):
            guard steps == timesteps.count else {
                throw DiffusionError.steps(
                    "num_inference_steps is \(steps), but this generator was distilled for exactly \(timesteps.count) "
                        + "steps, times \(timesteps)")
            }
            return try SigmaSchedule.nearest(timesteps: timesteps, shift: shift)
        case .shifted(_, let shift):
            return try SigmaSchedule.shifted(steps: steps, shift: shift)
        case .flowMatchDefault(_, let shift):
            return try SigmaSchedule.flowMatchDefault(steps: steps, shift: shift)
        case .dynamic(_, let shift):
            return try SigmaSchedule.dynamic(steps: steps, tokens: tokens, shift: shift)
        case .empirical(_, let shift):
            return try SigmaSchedule.empirical(steps: steps, tokens: tokens, shift: shift)
        case .uniPCFlow(_, let shift):
            return try SigmaSchedule.uniPCFlow(steps: steps, shift: shift)
        case .dpmFlow(_, let shift):
            return try SigmaSchedule.dpmFlow(steps: steps, shift: shift)
        case .trigonometric(let times):
            return try times.schedule(steps: steps)
        case .discrete(let grid):
            return try grid.schedule(.euler, steps: steps)
        }
    }
}
