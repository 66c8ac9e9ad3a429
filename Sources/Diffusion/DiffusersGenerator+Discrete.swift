import Support

extension DiffusersGenerator {
    /// The scheduler of a Stable Diffusion pipeline, and its step rule here.
    private static let discreteSchedulers: [String: SamplerKind] = [
        "EulerDiscreteScheduler": .euler, "EulerAncestralDiscreteScheduler": .ancestral, "LCMScheduler": .renoise,
        "DDIMScheduler": .ddim, "TCDScheduler": .tcd,
    ]

    /// Other solvers of the same equation, which fine-tuned base models are saved with. They differ in how few steps they need:
    /// the base model's own 30 steps of Euler stand in for all of them.
    private static let otherSolvers: Set = [
        "DDPMScheduler", "PNDMScheduler", "LMSDiscreteScheduler", "HeunDiscreteScheduler", "DEISMultistepScheduler",
        "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "DPMSolverSDEScheduler",
        "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "UniPCMultistepScheduler",
    ]

    /// The solver that the folder names, if another one stands in for it.
    var replacedSolver: String? {
        guard published.isDiscrete, let name = try? scheduler.required("_class_name").string() else { return nil }
        return Self.otherSolvers.contains(name) ? name : nil
    }

    /// The generator of a pipeline on the 1000 times of Stable Diffusion.
    ///
    /// Leading times are those of base models: 30 steps, guidance 5. Trailing times, LCM's and TCD's are students': few
    /// steps without guidance.
    func discreteSpec() throws -> GeneratorSpec {
        let name = try scheduler.required("_class_name")
        let isReplaced = replacedSolver != nil
        guard let sampler = isReplaced ? .euler : Self.discreteSchedulers[try name.string()] else {
            throw name.fault(
                "'\(try name.string())' is not supported; supported are "
                    + Self.discreteSchedulers.keys.sorted().joined(separator: ", ")
                    + " (or describe the generator in phases.json)")
        }
        try require([
            ("num_train_timesteps", 1000), ("beta_schedule", "scaled_linear"), ("beta_start", .number("0.00085")),
            ("beta_end", .number("0.012")), ("rescale_betas_zero_snr", false), ("clip_sample", false),
            ("thresholding", false), ("use_flow_sigmas", false),
        ])
        try requireNull(["trained_betas"])
        // What a solver that is replaced says of its own steps goes with it.
        if !isReplaced {
            try require([
                ("use_karras_sigmas", false), ("use_exponential_sigmas", false), ("use_beta_sigmas", false),
                ("interpolation_type", "linear"), ("timestep_type", "discrete"), ("final_sigmas_type", "zero"),
                ("original_inference_steps", 50), ("timestep_scaling", 10),
            ])
        }
        // What follows must be there: diffusers' own default is another one. DDIM's last step goes to time 0.
        if sampler == .ddim { try require([("set_alpha_to_one", false)], mayBeAbsent: false) }
        var prediction = Prediction.own
        if let type = try scheduler.optional("prediction_type") {
            switch try type.string() {
            case "epsilon": break
            case "sample": prediction = .sample
            default: throw type.fault("only \"epsilon\" and \"sample\" are supported")
            }
        }
        let spacing = try scheduler.optional("timestep_spacing")?.string() ?? "linspace"
        let grid: DiscreteGrid
        var guidance: Float = 0
        switch (sampler, spacing) {
        case _ where isReplaced:
            grid = DiscreteGrid(.leading, steps: 30, prediction: prediction)
            guidance = 5
        case (.renoise, _): grid = DiscreteGrid(.consistency, steps: 4, prediction: .consistency)
        case (.tcd, _): grid = DiscreteGrid(.consistency, steps: 4, prediction: prediction, eta: 0.3)
        case (.ancestral, "trailing"): grid = DiscreteGrid(.trailing, steps: 1, prediction: prediction)
        case (_, "trailing"):
            grid = DiscreteGrid(.trailing, steps: prediction == .sample ? 1 : 4, prediction: prediction)
        case (_, "leading"):
            try require([("steps_offset", 1)], mayBeAbsent: false)
            grid = DiscreteGrid(.leading, steps: 30, prediction: prediction)
            guidance = 5
        default: throw scheduler.fault("timestep_spacing '\(spacing)' is not supported, only leading and trailing")
        }
        let spec = try GeneratorSpec(
            name: "default", sampler: sampler, grid: .discrete(grid),
            plan: PhasePlan(expert: published.expert, guidanceScale: guidance))
        _ = try spec.schedule(steps: nil, tokens: 0)
        return spec
    }
}
