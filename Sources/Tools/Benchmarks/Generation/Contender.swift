import Diffusion
import Pipelines

/// A generator in a comparison: its name, and steps if not its own number of them.
package struct Contender: Sendable, Equatable, CustomStringConvertible {
    package let generator: String
    package let steps: Int?

    package init(generator: String, steps: Int? = nil) {
        self.generator = generator
        self.steps = steps
    }

    /// `NAME` or `NAME:STEPS`; nil if it is neither.
    package init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        guard let name = parts.first, !name.isEmpty, parts.count <= 2 else { return nil }
        if parts.count == 2 {
            guard let steps = Int(parts[1]), steps > 0 else { return nil }
            self.init(generator: String(name), steps: steps)
        } else {
            self.init(generator: String(name))
        }
    }

    package var description: String { steps.map { "\(generator):\($0)" } ?? generator }

    /// What a model is compared with itself by when nobody says: its default generator, then the one that takes most
    /// network evaluations, if that is another one.
    package static func natural(of model: Pipeline) throws -> [Contender] {
        let generators = model.generators
        let evaluations = try generators.generators.map { try model.evaluations(of: $0.name) }
        let most = zip(generators.generators, evaluations).max { $0.1 < $1.1 }?.0.name
        return ([generators.defaultName] + [most].compactMap(\.self).filter { $0 != generators.defaultName })
            .map { Contender(generator: $0) }
    }
}
