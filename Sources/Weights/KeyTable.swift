import Tensor

/// The names that other tools give a network's modules, as pairs of theirs and ours; `#` stands for a block's number.
/// Names that are in no pair are ours already, or nobody's.
package struct KeyTable: Sendable {
    /// What such tools put before every key of this network.
    package let prefixes: [String]
    private let names: [String: String]

    package init(prefixes: [String], _ pairs: [(theirs: String, ours: String)]) {
        self.prefixes = prefixes
        names = Dictionary(pairs.map { ($0.theirs, $0.ours) }, uniquingKeysWith: { first, _ in first })
    }

    /// Our name of a module (`blocks.0.self_attn.q`) or of a whole key (`blocks.0.self_attn.q.weight`).
    package func rename(_ name: String) -> String {
        if let ours = lookUp(name) { return ours }
        guard let dot = name.lastIndex(of: "."), let ours = lookUp(String(name[..<dot])) else { return name }
        return ours + name[dot...]
    }

    private func lookUp(_ name: String) -> String? {
        if let ours = names[name] { return ours }
        var parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard let place = parts.firstIndex(where: { Int($0) != nil }) else { return nil }
        let number = parts[place]
        parts[place] = "#"
        return names[parts.joined(separator: ".")]?.replacing("#", with: number)
    }
}

extension Checkpoint {
    /// The same tensors under our names. Where a file holds several networks, each under a prefix, only that of the
    /// table is kept.
    /// - Throws: `.malformed` if two keys get the same name.
    package func renamed(by table: KeyTable) throws(WeightError) -> Checkpoint {
        let prefix = table.prefixes.first { prefix in tensors.keys.contains { $0.hasPrefix(prefix) } } ?? ""
        var renamed: [String: Weight] = [:]
        var sources: [String: String] = [:]
        for (key, weight) in tensors where key.hasPrefix(prefix) {
            let name = table.rename(String(key.dropFirst(prefix.count)))
            if let other = sources.updateValue(key, forKey: name) {
                let pair = [key, other].sorted()
                throw .malformed(file: path, reason: "\"\(pair[0])\" and \"\(pair[1])\" are one tensor, \"\(name)\"")
            }
            renamed[name] = weight
        }
        return replacingTensors(renamed)
    }
}
