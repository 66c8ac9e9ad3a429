import Tensor

/// Where the modules that a LoRA file names are in a network.
package struct AdapterTargets {
    /// A module that an update, or some rows of it, belong to.
    struct Target: Equatable {
        let module: String
        /// The rows of the update; nil for all.
        let rows: Range<Int>?
    }

    private let rename: (String) -> String
    private let isForeign: (AdapterFile.Module) -> Bool
    /// The modules of the network and how many outputs each has. Empty where the network is not known.
    private let modules: [String: Int]
    /// Modules that other tools hold as one, by its name.
    private let fused: [String: [String]]
    /// The same names and all others that a module has, with underscores in place of dots. Several if they fall together.
    private let byFlatName: [String: Set<String>]

    /// The network whose weights these are.
    /// - Parameters:
    ///   - weights: under our names (`Checkpoint.renamed(by:)`).
    ///   - keys: the names that other tools give its modules.
    package init(_ weights: Checkpoint, keys: KeyTable) {
        var modules: [String: Int] = [:]
        for (key, weight) in weights.tensors {
            let ending = [".weight", ".bias"].first { key.hasSuffix($0) } ?? ""
            let name = String(key.dropLast(ending.count))
            if ending != ".bias" || modules[name] == nil { modules[name] = weight.shape.first ?? 1 }
        }
        // Where a file holds several modules as one, the network asks for each.
        for (name, rows) in modules {
            guard let parts = keys.parts(of: name), rows % parts.count == 0 else { continue }
            for part in parts where modules[part] == nil { modules[part] = rows / parts.count }
        }
        var fused: [String: [String]] = [:]
        var byFlatName: [String: Set<String>] = [:]
        for module in modules.keys {
            for name in [module] + keys.otherNames(of: module) {
                byFlatName[AdapterFile.flat(name), default: []].insert(module)
            }
            for whole in keys.wholes(of: module) {
                guard let parts = keys.parts(of: whole), parts.allSatisfy({ modules[$0] != nil }) else { continue }
                fused[whole] = parts
                byFlatName[AdapterFile.flat(whole), default: []].insert(whole)
            }
        }
        // A name of a whole is not that of a module, even where a file has a tensor of that name.
        for whole in fused.keys { byFlatName[AdapterFile.flat(whole)] = [whole] }
        rename = keys.rename
        isForeign = { keys.isForeign($0.name, isFlat: $0.isFlat) }
        self.modules = modules
        self.fused = fused
        self.byFlatName = byFlatName
    }

    /// A network that is known by its renames alone: names with underscores in place of dots stay what they are.
    package init(rename: @escaping (String) -> String) {
        self.rename = rename
        isForeign = { _ in false }
        modules = [:]
        fused = [:]
        byFlatName = [:]
    }

    /// Whether a module is one of a relative's, which the network neither has nor needs.
    func passesOver(_ module: AdapterFile.Module) -> Bool { modules[rename(module.name)] == nil && isForeign(module) }

    /// - Parameter rows: of the update.
    /// - Returns: where it belongs; the name itself where the network has no such module.
    func targets(of module: AdapterFile.Module, rows: Int) -> [Target] {
        var name = module.name
        if module.isFlat || (modules[rename(name)] == nil && fused[name] == nil) {
            let candidates = byFlatName[AdapterFile.flat(name)] ?? []
            if candidates.count == 1, let only = candidates.first { name = only }
        }
        if let parts = fused[name], parts.reduce(0, { $0 + (modules[$1] ?? 0) }) == rows {
            var end = 0
            return parts.map { part in
                let start = end
                end += modules[part] ?? 0
                return Target(module: part, rows: start..<end)
            }
        }
        return [Target(module: modules[name] != nil ? name : rename(name), rows: nil)]
    }
}
