/// Weights that the files of a network have and the network does not read: harmless leftovers, or layers of a relative, whose
/// results are then not what its authors show.
extension Pipeline {
    /// A sentence for each network with such weights.
    package var unreadWeights: [String] {
        let names = generators.generators.flatMap(\.plan.experts)
        let bases = Set(names.map { generators.adaptedExperts[$0]?.base ?? $0 })
        return components.filter { bases.contains($0.name) && !$0.unusedKeys.isEmpty }.map { component in
            let keys = component.unusedKeys
            return "\(component.name): \(keys.count) of its weights are of no layer that is computed, and unused: "
                + "\(keys.prefix(3).joined(separator: ", "))\(keys.count > 3 ? ", ..." : "")"
        }
    }
}
