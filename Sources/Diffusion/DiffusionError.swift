/// What can be wrong with a phase plan, a request for steps, or a stored generation.
package enum DiffusionError: Error, CustomStringConvertible, Equatable {
    /// A configuration file says something that cannot be run. `key` is the path inside the file.
    case configuration(file: String, key: String, reason: String)
    /// The phases do not cover sigma in (0, 1] exactly once.
    case phases(String)
    /// The sigmas of a schedule cannot be integrated.
    case schedule(String)
    /// The number of steps asked for (`num_inference_steps`) is not possible with this generator.
    case steps(String)
    /// Guidance scales that do not fit the plan, or guidance without a negative conditioning.
    case guidance(String)
    case unknownGenerator(String, known: [String])
    /// Generations that cannot share one network evaluation, or an expert that answered with another shape.
    case batch(String)
    /// A stored generation that contradicts itself.
    case damagedGeneration(String)

    package var description: String {
        switch self {
        case .configuration(let file, let key, let reason):
            key.isEmpty ? "\(file): \(reason)" : "\(file): \(key): \(reason)"
        case .phases(let reason): "phase plan: \(reason)"
        case .schedule(let reason): "sigma schedule: \(reason)"
        case .steps(let reason): reason
        case .guidance(let reason): "guidance: \(reason)"
        case .unknownGenerator(let name, let known):
            "there is no generator '\(name)'; this model has \(known.map { "'\($0)'" }.joined(separator: ", "))"
        case .batch(let reason): "batch: \(reason)"
        case .damagedGeneration(let reason): "stored generation: \(reason)"
        }
    }
}
