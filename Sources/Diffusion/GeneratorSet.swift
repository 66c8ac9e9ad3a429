import Foundation

/// The generators of a model folder.
///
/// They come from `phases.json` if the folder has one:
///
///     {"default": "student",
///      "generators": {
///       "student": {"sampler": "euler", "sigmas": [1.0, 0.9, 0.75, 0.5],
///         "phases": [{"name": "high noise", "sigma": [0.8, 1.0], "expert": "transformer", "guidance_scale": 1.0},
///                    {"name": "low noise", "sigma": [0.0, 0.8], "expert": "transformer_2", "guidance_scale": 1.0}]},
///       "teacher": {"sampler": "euler", "steps": 30, "shift": 3.0,
///         "phases": [{"name": "teacher", "sigma": [0.0, 1.0], "expert": "teacher", "guidance_scale": 3.0}]}}}
///
/// A student that was distilled on times instead of sigmas has `"timesteps": [1000, 757, 522], "shift": 8.0` in their place, one of
/// a trigonometric flow `"angles": [1.558297, 1.3, 1.0, 0.6]`.
/// One for Stable Diffusion's 1000 times has `"discrete"` instead: `times`, a list of them or the rule `trailing`, `leading` or
/// `consistency` with its `steps`; `prediction`, what the network gives (`epsilon` unless said otherwise, `sample`, or
/// `consistency`, which is epsilon held to the latent near t = 0); and for tcd `eta`:
///
///       "dmd2": {"sampler": "renoise", "discrete": {"times": [999, 749, 499, 249], "prediction": "consistency"},
///         "phases": [{"name": "all", "sigma": [0.0, 1.0], "expert": "unet", "guidance_scale": 0.0}]}
///
/// A phase names the folder of its expert, or one of `"experts"`: LoRA files on a base that several may share.
///
///      "experts": {"high": {"base": "transformer", "loras": [{"file": "lora/high.safetensors", "strength": 1.0}]},
///                  "low": {"base": "transformer", "loras": [{"file": "lora/low.safetensors"}]}}
///
/// Without `phases.json`, as one generator called `default`, from what diffusers itself reads (`DiffusersGenerator`).
package struct GeneratorSet: Sendable, Equatable {
    package let defaultName: String
    private let byName: [String: GeneratorSpec]
    /// Experts that are not folders, by name.
    package let adaptedExperts: [String: AdaptedExpert]

    /// What whoever opens the folder should hear of how it generates, if there is anything.
    package var note: String?

    /// The default one first, the others by name.
    package var generators: [GeneratorSpec] {
        byName.values.sorted { ($0.name != defaultName ? 1 : 0, $0.name) < ($1.name != defaultName ? 1 : 0, $1.name) }
    }

    /// - Parameter name: nil for the default generator.
    /// - Throws: `DiffusionError.unknownGenerator`.
    package func generator(_ name: String?) throws -> GeneratorSpec {
        guard let spec = byName[name ?? defaultName] else {
            throw DiffusionError.unknownGenerator(name ?? defaultName, known: generators.map(\.name))
        }
        return spec
    }

    /// - Throws: `DiffusionError.unknownGenerator` if the default is not among them.
    package init(
        _ generators: [GeneratorSpec], default defaultName: String, adaptedExperts: [String: AdaptedExpert] = [:]
    ) throws {
        self.adaptedExperts = adaptedExperts
        byName = Dictionary(generators.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.defaultName = defaultName
        _ = try generator(nil)
    }

    // MARK: - Reading

    /// Reads `phases.json`, or `model_index.json` and `scheduler/scheduler_config.json`.
    /// - Parameter published: what the pipeline samples by that stands in neither file, given how many experts there are.
    /// - Throws: `DiffusionError.configuration` that names file and key; file system errors.
    package init(folder: URL, published: (_ experts: Int) -> PublishedSampling) throws {
        let phases = folder.appendingPathComponent("phases.json")
        if FileManager.default.fileExists(atPath: phases.path) {
            try self.init(phases: Data(contentsOf: phases))
        } else {
            let index = try Data(contentsOf: folder.appendingPathComponent("model_index.json"))
            let scheduler = try Data(contentsOf: folder.appendingPathComponent("scheduler/scheduler_config.json"))
            let described = try DiffusersGenerator(modelIndex: index, schedulerConfig: scheduler, published)
            let spec = try described.spec()
            try self.init([spec], default: spec.name)
            note = described.replacedSolver.map {
                "scheduler/scheduler_config.json names \($0), which is not built: 30 steps of Euler stand in for it"
            }
        }
    }

    /// - Parameter phases: the contents of a `phases.json`.
    package init(phases: Data) throws {
        let file = try ConfigurationValue(phases, file: "phases.json")
        // "defaults" (size, frames) is for whoever sizes requests.
        try file.requireKeys(in: ["default", "defaults", "experts", "generators"])
        let entries = try file.required("generators")
        let generators = try entries.keys().map { name in
            let entry = try entries.required(name)
            return try entry.located { try Self.generator(name, entry) }
        }
        let adapted = try Self.adaptedExperts(file, usedBy: generators)
        let defaultEntry = try file.required("default")
        let defaultName = try defaultEntry.string()
        self = try defaultEntry.located { try GeneratorSet(generators, default: defaultName, adaptedExperts: adapted) }
    }

    private static func adaptedExperts(
        _ file: ConfigurationValue, usedBy generators: [GeneratorSpec]
    ) throws -> [String: AdaptedExpert] {
        guard let entries = try file.optional("experts") else { return [:] }
        let used = Set(generators.flatMap(\.plan.experts))
        let names = try entries.keys()
        var experts: [String: AdaptedExpert] = [:]
        for name in names {
            let entry = try entries.required(name)
            guard used.contains(name) else { throw entry.fault("no phase names this expert") }
            try entry.requireKeys(in: ["base", "loras"])
            let base = try entry.required("base")
            guard PhasePlan.isFolderName(try base.string()), !names.contains(try base.string()) else {
                throw base.fault("'\(try base.string())' must be a folder of the model")
            }
            experts[name] = AdaptedExpert(
                base: try base.string(), loras: try entry.required("loras").elements().map(lora))
        }
        return experts
    }

    private static func lora(_ entry: ConfigurationValue) throws -> AdaptedExpert.LoRA {
        try entry.requireKeys(in: ["file", "strength"])
        let file = try entry.required("file")
        // Inside the folder: every part of the path is a name.
        let path = try file.string()
        let names = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard names.allSatisfy(PhasePlan.isFolderName) else {
            throw file.fault("'\(path)' must be the path of a file inside the folder of phases.json")
        }
        return AdaptedExpert.LoRA(
            file: path, strength: Float(try entry.optional("strength")?.number() ?? 1))
    }

    private static func generator(_ name: String, _ entry: ConfigurationValue) throws -> GeneratorSpec {
        try entry.requireKeys(in: ["sampler", "sigmas", "timesteps", "angles", "steps", "shift", "discrete", "phases"])
        let samplerEntry = try entry.required("sampler")
        let wanted = try samplerEntry.string()
        guard let sampler = SamplerKind(rawValue: wanted) else {
            let known = SamplerKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw samplerEntry.fault("unknown sampler '\(wanted)'; known are \(known)")
        }
        let phases = try entry.required("phases").elements().map(phase)
        return try GeneratorSpec(
            name: name, sampler: sampler, grid: grid(of: sampler, entry), plan: PhasePlan(phases))
    }

    private static func grid(of sampler: SamplerKind, _ entry: ConfigurationValue) throws -> SigmaGrid {
        let shift = try entry.optional("shift")?.positiveNumber()
        let steps = try entry.optional("steps")?.positiveInteger()
        if let discrete = try entry.optional("discrete") {
            for key in ["sigmas", "timesteps", "angles", "steps", "shift"] where try entry.optional(key) != nil {
                throw entry.fault("'discrete' says what '\(key)' would: give one of them")
            }
            return .discrete(try DiscreteGrid(discrete, sampler: sampler))
        }
        if let angles = try entry.optional("angles") {
            for key in ["sigmas", "timesteps", "steps", "shift"] where try entry.optional(key) != nil {
                throw entry.fault("'angles' says what '\(key)' would: give one of them")
            }
            let times = try angles.elements().map { try $0.number() }
            return .trigonometric(try angles.located { try TrigonometricFlow.Times(times) })
        }
        if let sigmasEntry = try entry.optional("sigmas") {
            let sigmas = try sigmasEntry.elements().map { Float(try $0.number()) }
            _ = try sigmasEntry.located { try SigmaSchedule(explicit: sigmas) }
            guard steps == nil || steps == sigmas.count else {
                throw sigmasEntry.fault("there are \(sigmas.count) sigmas, but 'steps' says otherwise")
            }
            return .fixed(sigmas: sigmas, shift: shift)
        }
        if let timestepsEntry = try entry.optional("timesteps") {
            let timesteps = try timestepsEntry.elements().map { Float(try $0.number()) }
            guard let shift, steps == nil || steps == timesteps.count else {
                throw timestepsEntry.fault("times need a 'shift', and as many 'steps' as there are times, or none")
            }
            _ = try timestepsEntry.located { try SigmaSchedule.nearest(timesteps: timesteps, shift: shift) }
            return .nearest(timesteps: timesteps, shift: shift)
        }
        guard let steps, let shift else {
            throw entry.fault(
                "give either 'sigmas', or 'timesteps' and 'shift', or both 'steps' and 'shift', or 'angles', or 'discrete'"
            )
        }
        let grid = sampler.grid(steps: steps, shift: shift)
        _ = try grid.schedule(steps: nil, tokens: 0)
        return grid
    }

    private static func phase(_ entry: ConfigurationValue) throws -> Phase {
        try entry.requireKeys(in: ["name", "sigma", "expert", "guidance_scale"])
        let sigma = try entry.required("sigma").elements().map { try $0.number() }
        guard sigma.count == 2 else {
            throw try entry.required("sigma").fault("must be [lower, upper]")
        }
        return Phase(
            name: try entry.required("name").string(), lower: sigma[0], upper: sigma[1],
            expert: try entry.required("expert").string(),
            guidanceScale: Float(try entry.optional("guidance_scale")?.number() ?? 1))
    }
}

/// An expert that is made of a base and low-rank updates; the base may serve several experts.
package struct AdaptedExpert: Sendable, Equatable {
    package struct LoRA: Sendable, Equatable {
        /// Relative to the folder of `phases.json`.
        package let file: String
        package let strength: Float
    }

    /// The folder of the base's weights.
    package let base: String
    package let loras: [LoRA]
}
