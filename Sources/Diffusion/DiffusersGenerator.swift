import Foundation
import Support

/// The generator that diffusers itself would run for a model folder: expert boundary from `model_index.json`, step
/// rule and grid from `scheduler/scheduler_config.json`, and what stands in neither from `PublishedSampling`.
struct DiffusersGenerator {
    private let index: ConfigurationValue
    let scheduler: ConfigurationValue
    let published: PublishedSampling

    init(
        modelIndex: Data, schedulerConfig: Data, _ published: (_ experts: Int) -> PublishedSampling
    ) throws {
        index = try ConfigurationValue(modelIndex, file: "model_index.json")
        scheduler = try ConfigurationValue(schedulerConfig, file: "scheduler/scheduler_config.json")
        self.published = published(try index.optional("boundary_ratio") == nil ? 1 : 2)
    }

    func spec() throws -> GeneratorSpec {
        if published.isDiscrete { return try scheduler.located { try discreteSpec() } }
        let plan = try plan()
        let schedulerName = try scheduler.required("_class_name")
        let (sampler, grid): (SamplerKind, SigmaGrid) =
            switch try schedulerName.string() {
            case "FlowMatchEulerDiscreteScheduler": (.euler, try eulerGrid())
            case "UniPCMultistepScheduler": (.uniPC, try uniPCGrid())
            case "SCMScheduler": (.renoise, try trigonometricGrid())
            case "DPMSolverMultistepScheduler": (.dpm, try dpmGrid())
            default:
                throw schedulerName.fault(
                    "'\(try schedulerName.string())' is not supported; supported are FlowMatchEulerDiscreteScheduler, "
                        + "UniPCMultistepScheduler, DPMSolverMultistepScheduler and SCMScheduler (or describe the generator "
                        + "in phases.json)")
            }
        return try scheduler.located {
            let spec = try GeneratorSpec(name: "default", sampler: sampler, grid: grid, plan: plan)
            _ = try spec.schedule(steps: nil, tokens: 4096)
            return spec
        }
    }

    /// Two experts have a boundary; without one diffusers runs the first only.
    private func plan() throws -> PhasePlan {
        let scales = published.guidanceScales
        guard let boundary = try index.optional("boundary_ratio") else {
            return try PhasePlan(expert: published.expert, guidanceScale: scales.first ?? 1)
        }
        guard try index.optional("transformer_2")?.namesComponent == true else {
            throw boundary.fault("there is a boundary but no transformer_2, the expert below it")
        }
        let ratio = try boundary.number()
        return try boundary.located {
            try PhasePlan(boundary: ratio, guidanceScales: (scales.first ?? 1, scales.last ?? 1))
        }
    }

    private func eulerGrid() throws -> SigmaGrid {
        let steps = published.steps
        try require([
            ("num_train_timesteps", 1000), ("use_karras_sigmas", false), ("use_exponential_sigmas", false),
            ("use_beta_sigmas", false), ("invert_sigmas", false), ("stochastic_sampling", false),
        ])
        let terminal = try scheduler.optional("shift_terminal")
        guard try scheduler.optional("use_dynamic_shifting")?.bool() == true else {
            if let terminal { throw terminal.fault("is supported with dynamic shifting only") }
            let shift = try scheduler.optional("shift")?.positiveNumber() ?? 1
            return published.isGridLinear
                ? .shifted(steps: steps, shift: shift) : .flowMatchDefault(steps: steps, shift: shift)
        }
        try require([("time_shift_type", "exponential")])
        let shift = DynamicShift(
            baseShift: try scheduler.optional("base_shift")?.number() ?? 0.5,
            maximumShift: try scheduler.optional("max_shift")?.number() ?? 1.15,
            baseTokens: try scheduler.optional("base_image_seq_len")?.positiveInteger() ?? 256,
            maximumTokens: try scheduler.optional("max_image_seq_len")?.positiveInteger() ?? 4096,
            terminal: try terminal?.positiveNumber())
        guard shift.baseTokens < shift.maximumTokens else {
            throw scheduler.fault("base_image_seq_len must be below max_image_seq_len")
        }
        return .dynamic(steps: steps, shift: shift)
    }

    private func uniPCGrid() throws -> SigmaGrid {
        try require([
            ("num_train_timesteps", 1000), ("use_karras_sigmas", false), ("use_exponential_sigmas", false),
            ("use_beta_sigmas", false), ("use_dynamic_shifting", false), ("thresholding", false),
            ("predict_x0", true), ("solver_order", 2), ("solver_type", "bh2"), ("lower_order_final", true),
            ("final_sigmas_type", "zero"),
        ])
        // diffusers' own defaults are the other ones, so these two must be there.
        try require([("use_flow_sigmas", true), ("prediction_type", "flow_prediction")], mayBeAbsent: false)
        if let disabled = try scheduler.optional("disable_corrector"), try !disabled.elements().isEmpty {
            throw disabled.fault("a corrector that is off at some steps is not supported")
        }
        try requireNull(["shift_terminal", "solver_p"])
        return SamplerKind.uniPC.grid(steps: published.steps, shift: try flowShift())
    }

    /// The deviation of the data that the scheduler names cancels out (see `TrigonometricFlow`).
    private func trigonometricGrid() throws -> SigmaGrid {
        try require([("num_train_timesteps", 1000), ("prediction_type", "trigflow")])
        return .trigonometric(TrigonometricFlow.Times())
    }

    private func dpmGrid() throws -> SigmaGrid {
        try require([
            ("num_train_timesteps", 1000), ("use_karras_sigmas", false), ("use_exponential_sigmas", false),
            ("use_beta_sigmas", false), ("use_lu_lambdas", false), ("use_dynamic_shifting", false),
            ("thresholding", false), ("algorithm_type", "dpmsolver++"), ("solver_order", 2),
            ("solver_type", "midpoint"), ("lower_order_final", true), ("euler_at_final", false),
            ("final_sigmas_type", "zero"),
        ])
        // diffusers' own defaults are the other ones, so these two must be there.
        try require([("use_flow_sigmas", true), ("prediction_type", "flow_prediction")], mayBeAbsent: false)
        return SamplerKind.dpm.grid(steps: published.steps, shift: try flowShift())
    }

    private func flowShift() throws -> Double { try scheduler.optional("flow_shift")?.positiveNumber() ?? 1 }

    /// Options that would change the result must have the value that is implemented.
    func require(_ options: [(key: String, value: JSON)], mayBeAbsent: Bool = true) throws {
        for (key, wanted) in options {
            guard let option = try scheduler.optional(key) else {
                if mayBeAbsent { continue }
                throw scheduler.fault("'\(key)' is missing and must be \(wanted)")
            }
            guard option.matches(wanted) else { throw option.fault("only \(wanted.text) is supported") }
        }
    }

    /// Options that must be null, or not there.
    func requireNull(_ keys: [String]) throws {
        for key in keys {
            if let option = try scheduler.optional(key) { throw option.fault("only null is supported") }
        }
    }
}
