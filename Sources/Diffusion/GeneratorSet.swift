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
/// and else, as one generator called `default`, from what diffusers itself reads (`DiffusersGenerator`).
package struct GeneratorSet: Sendable, Equatable {
    package let defaultName: String
    private let byName: [String: GeneratorSpec]

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
    package init(_ generators: [GeneratorSpec], default defaultName: String) throws {
        byName = Dictionary(generators.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.defaultName = defaultName
        _ = try generator(nil)
    }

    // MARK: - Reading

    /// Reads `phases.json`, or `model_index.json` and `scheduler/scheduler_config.json`.
    /// - Throws: `DiffusionError.configuration` that names file and key; file system errors.
    package init(folder: URL) throws {
        let phases = folder.appendingPathComponent("phases.json")
        if FileManager.default.fileExists(atPath: phases.path) {
            try self.init(phases: Data(contentsOf: phases))
        } else {
            let index = try Data(contentsOf: folder.appendingPathComponent("model_index.json"))
            let scheduler = try Data(contentsOf: folder.appendingPathComponent("scheduler/scheduler_config.json"))
            let spec = try DiffusersGenerator(modelIndex: index, schedulerConfig: scheduler).spec()
            try self.init([spec], default: spec.name)
        }
    }

    /// - Parameter phases: the contents of a `phases.json`.
    package init(phases: Data) throws {
        let file = try ConfigurationValue(phases, file: "phases.json")
        // "defaults" (size, frames) is for whoever sizes requests.
        try file.requireKeys(in: ["default", "defaults", "generators"])
        let entries = try file.required("generators")
        let generators = try entries.keys().map { name in
            let entry = try entries.required(name)
            return try entry.located { try Self.generator(name, entry) }
        }
        let defaultEntry = try file.required("default")
        let defaultName = try defaultEntry.string()
        self = try defaultEntry.located { try GeneratorSet(generators, default: defaultName) }
    }

    private static func generator(_ name: String, _ entry: ConfigurationValue) throws -> GeneratorSpec {
        try entry.requireKeys(in: ["sampler", "sigmas", "steps", "shift", "phases"])
        let samplerEntry = try entry.required("sampler")
        guard let sampler = SamplerKind(rawValue: try samplerEntry.string()) else {
            let known = SamplerKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw samplerEntry.fault("unknown sampler '\(try samplerEntry.string())'; known are \(known)")
        }
        let phases = try entry.required("phases").elements().map(phase)
        return try GeneratorSpec(
            name: name, sampler: sampler, grid: grid(of: sampler, entry), plan: PhasePlan(phases))
    }

    private static func grid(of sampler: SamplerKind, _ entry: ConfigurationValue) throws -> SigmaGrid {
        let shift = try entry.optional("shift")?.positiveNumber()
        let steps = try entry.optional("steps")?.positiveInteger()
        if let sigmasEntry = try entry.optional("sigmas") {
            let sigmas = try sigmasEntry.elements().map { Float(try $0.number()) }
            _ = try sigmasEntry.located { try SigmaSchedule(explicit: sigmas) }
            guard steps == nil || steps == sigmas.count else {
                throw sigmasEntry.fault("there are \(sigmas.count) sigmas, but 'steps' says otherwise")
            }
            return .fixed(sigmas: sigmas, shift: shift)
        }
        guard let steps, let shift else {
            throw entry.fault("give either 'sigmas' or both 'steps' and 'shift'")
        }
        let grid: SigmaGrid =
            sampler == .uniPC ? .uniPCFlow(steps: steps, shift: shift) : .shifted(steps: steps, shift: shift)
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
