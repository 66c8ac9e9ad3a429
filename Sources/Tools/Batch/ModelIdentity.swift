import Foundation
import Pipelines
import Support

/// Which weights and settings made a file, told by their content, not by where they lie.
package struct ModelIdentity: Codable, Sendable, Equatable {
    package let model: String
    /// Part -> digest (see `Pipeline.identity`), of the parts that took part; `generator` stands for steps, sigmas,
    /// phases and guidance.
    package let parts: [String: String]

    private static let generator = "generator"

    /// - Parameters:
    ///   - generator: nil for the model's default.
    ///   - decoder: nil for the model's default.
    /// - Throws: `DiffusionError.unknownGenerator`.
    package init(_ pipeline: Pipeline, generator: String?, decoder: LatentDecoder? = nil) throws {
        model = pipeline.id
        let spec = try pipeline.generators.generator(generator)
        var parts = pipeline.identities(of: spec.plan, decoder: decoder)
        let settings = "\(spec.sampler.rawValue) \(spec.grid) \(spec.plan.phases) \(pipeline.traits.guidance)"
        parts[Self.generator] = SHA256.hexadecimal(of: Array(settings.utf8))
        self.parts = parts
    }

    package init(model: String, parts: [String: String]) {
        self.model = model
        self.parts = parts
    }

    /// What differs from what the open model would use; nil if nothing does.
    func difference(from other: ModelIdentity) -> String? {
        let differing = Set(parts.keys).union(other.parts.keys).filter { parts[$0] != other.parts[$0] }.sorted()
        return differing.isEmpty ? nil : "\(differing.joined(separator: ", ")) of the model"
    }
}
