import Tensor

/// One picture or clip in the making: everything between two denoising steps except the conditioning.
///
/// A value, so a scheduler may pause it, reorder and batch several, write it to disk and resume it elsewhere; none of
/// this changes the bytes that come out.
package struct Generation: Sendable {
    package let seed: UInt64
    package let plan: PhasePlan
    package let schedule: SigmaSchedule
    package let guidance: Guidance
    package private(set) var inputs: GenerationInputs
    /// The current sample, without a batch axis. After the last step: the denoised latent.
    package private(set) var latent: Tensor
    /// Steps done; equal to `schedule.count` when finished.
    package private(set) var stepIndex: Int
    var sampler: Sampler

    package var samplerKind: SamplerKind { sampler.kind }

    /// Starts from noise of the seed, or from a given latent at the first sigma of the schedule.
    package init(
        seed: UInt64, latentShape: [Int], generator: GeneratorSpec, schedule: SigmaSchedule, guidance: Guidance,
        inputs: GenerationInputs = GenerationInputs()
    ) throws {
        let noise = GaussianNoise(seed: seed, purpose: .initialLatent).tensor(shape: latentShape)
        let start = schedule.start
        try self.init(
            seed: seed, latent: start == 1 ? noise : elementwise(noise, noise) { noise, _ in noise * start },
            generator: generator, schedule: schedule, guidance: guidance, inputs: inputs)
    }

    /// - Parameter renoise: noise in place of the seed's that steps add, of the latent's shape, one for each step: another
    ///   program's, to compare with it. A stored generation goes on with the seed's.
    /// - Throws: `DiffusionError.guidance` or `.batch` for scales or inputs that do not fit.
    package init(
        seed: UInt64, latent: Tensor, generator: GeneratorSpec, schedule: SigmaSchedule, guidance: Guidance,
        inputs: GenerationInputs = GenerationInputs(), renoise: [Tensor] = []
    ) throws {
        guard renoise.allSatisfy({ $0.shape == latent.shape }) else {
            throw DiffusionError.batch(
                "noise of shapes \(renoise.map(\.shape)) does not fit the latent \(latent.shape)")
        }
        try self.init(
            seed: seed, plan: generator.plan, schedule: schedule, guidance: guidance, inputs: inputs, latent: latent,
            stepIndex: 0, sampler: Sampler(generator.sampler, seed: seed, given: renoise))
    }

    init(
        seed: UInt64, plan: PhasePlan, schedule: SigmaSchedule, guidance: Guidance, inputs: GenerationInputs,
        latent: Tensor, stepIndex: Int, sampler: Sampler
    ) throws {
        guard inputs.fit(latent.shape) else {
            throw DiffusionError.batch("inputs of shapes \(inputs.shapes) do not fit the latent \(latent.shape)")
        }
        guard guidance.scales.count == plan.phases.count else {
            throw DiffusionError.guidance(
                "\(guidance.scales.count) scales do not fit \(plan.phases.count) phases")
        }
        self.seed = seed
        self.plan = plan
        self.schedule = schedule
        self.guidance = guidance
        self.inputs = inputs
        self.latent = inputs.restoring(latent)
        self.stepIndex = stepIndex
        self.sampler = sampler
    }

    // MARK: - Pictures

    /// Takes what pictures were encoded to. At the first step only: later ones have seen others.
    /// - Throws: `DiffusionError.batch` for inputs that do not fit the latent.
    package mutating func take(_ inputs: GenerationInputs) throws {
        guard stepIndex == 0, inputs.fit(latent.shape) else {
            throw DiffusionError.batch(
                "inputs of shapes \(inputs.shapes) do not fit the latent \(latent.shape) at step \(stepIndex)")
        }
        self.inputs = inputs
        latent = inputs.restoring(latent)
    }

    /// Starts from a picture instead of from noise alone: x = (1 - sigma) x0 + sigma eps, where eps is the noise that the
    /// generation has started from and sigma the first of the schedule. At the first step only.
    ///
    /// - Parameter clean: the latent x0 of the picture.
    /// - Throws: `DiffusionError.batch` for a latent of another shape.
    package mutating func start(from clean: Tensor) throws {
        guard stepIndex == 0, clean.shape == latent.shape else {
            throw DiffusionError.batch(
                "a picture's latent \(clean.shape) does not fit the latent \(latent.shape) at step \(stepIndex)")
        }
        let sigma = schedule.sigmas[0]
        let share = sigma / schedule.start
        latent = Tensor(shape: latent.shape) { out in
            clean.withUnsafe { clean in
                latent.withUnsafe { noise in
                    for index in out.indices { out[index] = (1 - sigma) * clean[index] + share * noise[index] }
                }
            }
        }
    }

    // MARK: - What comes next

    package var isFinished: Bool { stepIndex >= schedule.count }

    /// The step that comes next; nil when the generation is finished.
    package var nextStep: SigmaSchedule.Step? { isFinished ? nil : schedule[stepIndex] }

    /// The phase that owns the next step; nil when finished.
    package var nextPhase: Phase? { nextPhaseIndex.map { plan.phases[$0] } }

    /// The experts of the steps to come, one entry a step.
    package var upcomingExperts: [String] {
        (stepIndex..<schedule.count).map { plan.phases[plan.phaseIndex(timestep: schedule[$0].timestep)].expert }
    }

    private var nextPhaseIndex: Int? { nextStep.map { plan.phaseIndex(timestep: $0.timestep) } }

    /// Network evaluations (NFE) of the whole generation: one a step, two where guidance is on.
    package var evaluations: Int { schedule.count + guidedSteps }

    /// Whether any step needs a negative conditioning.
    package var isGuided: Bool { guidedSteps > 0 }

    private var guidedSteps: Int { (0..<schedule.count).count { isGuided(atStep: $0) } }

    private func isGuided(atStep index: Int) -> Bool {
        let step = schedule[index]
        return guidance.isOn(inPhase: plan.phaseIndex(timestep: step.timestep), sigma: step.sigma)
    }

    /// Generations whose keys agree may share an evaluation while they wait for the same expert.
    package var shapes: [[Int]] { [latent.shape] + inputs.shapes }

    // MARK: - Steps

    /// Does the next step.
    /// - Parameter expert: the one that `nextPhase` names.
    /// - Returns: the estimate of x0 at this step, for a preview.
    /// - Throws: what the expert throws, or a `DiffusionError`; the generation then is unchanged.
    @discardableResult
    package mutating func step<Expert: VelocityModel>(
        using expert: Expert, _ prompt: Prompted<Expert.Conditioning>
    ) throws -> Tensor {
        var batch = [self]
        let estimates = try Self.step(&batch, using: expert, [prompt])
        self = batch[0]
        return estimates[0]
    }

    /// Does the next step of several generations in one network evaluation. They may be at different steps, but wait
    /// for the same expert and have latents of one shape.
    /// - Parameters:
    ///   - batch: unfinished generations; all are advanced, or none if this throws.
    ///   - prompts: one for each.
    /// - Returns: the estimates of x0, for previews.
    @discardableResult
    package static func step<Expert: VelocityModel>(
        _ batch: inout [Generation], using expert: Expert, _ prompts: [Prompted<Expert.Conditioning>]
    ) throws -> [Tensor] {
        let phases = try phases(of: batch)
        guard prompts.count == batch.count else {
            throw DiffusionError.batch("\(prompts.count) prompts for \(batch.count) generations")
        }

        var latents: [Tensor] = []
        var (timesteps, targets): ([Float], [Float]) = ([], [])
        var conditionings: [Expert.Conditioning] = []
        var inputs: [GenerationInputs] = []
        var predictions: [Prediction] = []
        var scales: [Float] = []
        for ((generation, prompt), phase) in zip(zip(batch, prompts), phases) {
            let latent = generation.latent.reshaped([1] + generation.latent.shape)
            let index = generation.stepIndex
            func add(_ conditioning: Expert.Conditioning) {
                latents.append(latent)
                timesteps.append(generation.schedule[index].timestep)
                targets.append(index + 1 < generation.schedule.count ? generation.schedule[index + 1].timestep : 0)
                conditionings.append(conditioning)
                inputs.append(generation.inputs)
                predictions.append(generation.schedule.prediction)
                scales.append(generation.guidance.scales[phase])
            }
            add(prompt.positive)
            if generation.isGuided(atStep: index) {
                guard let negative = prompt.negative else {
                    throw DiffusionError.guidance("scales \(generation.guidance.scales) need a negative conditioning")
                }
                add(negative)
            }
        }
        guard !latents.isEmpty else { return [] }

        let rows = latents.count == 1 ? latents[0] : Tensor.concatenate(latents)
        let velocities = try expert.velocity(
            Evaluation(
                latents: rows, timesteps: timesteps, targets: targets, conditionings: conditionings, inputs: inputs,
                predictions: predictions, guidanceScales: scales))
        guard velocities.shape == rows.shape else {
            throw DiffusionError.batch("the expert answered \(velocities.shape) for latents \(rows.shape)")
        }

        var row = 0
        return zip(batch.indices, phases).map { index, phase in
            var velocity = velocities[row]
            row += 1
            if batch[index].isGuided(atStep: batch[index].stepIndex) {
                velocity = batch[index].guidance.combine(cond: velocity, uncond: velocities[row], phase: phase)
                row += 1
            }
            return batch[index].advance(velocity)
        }
    }

    /// The phase of each generation's next step, after checking that they can share an evaluation.
    private static func phases(of batch: [Generation]) throws -> [Int] {
        let phases = try batch.map { generation in
            guard let phase = generation.nextPhaseIndex else {
                throw DiffusionError.batch("a generation of seed \(generation.seed) is finished already")
            }
            return phase
        }
        for (generation, phase) in zip(batch, phases).dropFirst() {
            guard generation.shapes == batch[0].shapes else {
                throw DiffusionError.batch(
                    "latents and inputs of \(batch[0].shapes) and \(generation.shapes) do not share a batch")
            }
            let experts = (batch[0].plan.phases[phases[0]].expert, generation.plan.phases[phase].expert)
            guard experts.0 == experts.1 else {
                throw DiffusionError.batch("one generation waits for '\(experts.0)', another for '\(experts.1)'")
            }
        }
        return phases
    }

    private mutating func advance(_ velocity: Tensor) -> Tensor {
        let (next, x0) = sampler.step(latent, velocity: velocity, at: stepIndex, of: schedule)
        latent = inputs.restoring(next)
        stepIndex += 1
        return inputs.restoring(x0)
    }
}
