import Tensor

/// The names that other tools give a network's modules, as pairs of theirs and ours; `#` stands for a block's number.
/// Names that are in no pair are ours already, or nobody's.
package struct KeyTable: Sendable {
    /// What such tools put before every key of this network.
    package let prefixes: [String]
    private let names: [String: String]
    private let otherNames: [String: [String]]
    /// Ours by theirs and by themselves, underscores in place of dots.
    private let flatNames: [String: String]
    private let wholes: [String: [String]]
    private let foreign: [String]

    /// - Parameters:
    ///   - prefixes: of keys.
    ///   - pairs: their names and ours.
    ///   - wholes: their modules that hold several of ours, whose rows lie below each other in this order.
    ///   - foreign: modules of relatives that this network does not have and whose changes in LoRA files mean nothing to it;
    ///     a name that ends in a dot stands for all that begin so.
    package init(
        prefixes: [String], _ pairs: [(theirs: String, ours: String)], wholes: [(theirs: String, ours: [String])] = [],
        foreign: [String] = []
    ) {
        self.foreign = foreign
        self.prefixes = prefixes
        names = Dictionary(pairs.map { ($0.theirs, $0.ours) }, uniquingKeysWith: { first, _ in first })
        otherNames = Dictionary(grouping: pairs, by: \.ours).mapValues { $0.map(\.theirs).sorted() }
        flatNames = Dictionary(
            (pairs + pairs.map { ($0.ours, $0.ours) }).map { (AdapterFile.flat($0.0), $0.1) },
            uniquingKeysWith: { first, _ in first })
        self.wholes = Dictionary(wholes.map { ($0.theirs, $0.ours) }, uniquingKeysWith: { first, _ in first })
    }

    /// Our name of a module (`blocks.0.self_attn.q`) or of a whole key (`blocks.0.self_attn.q.weight`).
    package func rename(_ name: String) -> String {
        guard !names.isEmpty else { return name }
        if let ours = Self.lookUp(name, in: names) { return ours }
        guard let dot = name.lastIndex(of: "."), let ours = Self.lookUp(String(name[..<dot]), in: names) else {
            return name
        }
        return ours + name[dot...]
    }

    /// Our name of a module whose dots are underscores, as far as the table tells; nil where it does not.
    func guess(flat: String) -> String? {
        let parts = flat.split(separator: "_", omittingEmptySubsequences: false)
        let place = parts.firstIndex { Int($0) != nil }
        let pattern = place.map { (parts[..<$0] + ["#"] + parts[($0 + 1)...]).joined(separator: "_") } ?? flat
        guard let ours = flatNames[pattern] else { return nil }
        return place.map { ours.replacing("#", with: parts[$0]) } ?? ours
    }

    /// Whether a module is one of a relative's that this network does not have.
    /// - Parameter isFlat: whether underscores stand for its dots.
    func isForeign(_ module: String, isFlat: Bool) -> Bool {
        func flat(_ name: String) -> String { isFlat ? AdapterFile.flat(name) : name }
        let numberless = AdapterFile.numberless(module, separator: isFlat ? "_" : ".")
        return foreign.contains { name in
            name.hasSuffix(".") ? module.hasPrefix(flat(name)) : numberless == flat(name)
        }
    }

    /// The names that other tools give a module of ours.
    func otherNames(of module: String) -> [String] {
        Self.numbered(module) { otherNames[$0] }
    }

    /// Our modules that one of other tools holds; nil if it is none of those.
    func parts(of whole: String) -> [String]? {
        let parts = Self.numbered(whole) { wholes[$0] }
        return parts.isEmpty ? nil : parts
    }

    /// The modules of other tools that hold a module of ours, among others.
    func wholes(of module: String) -> [String] {
        Self.numbered(module) { name in
            wholes.filter { $0.value.contains(name) }.keys.sorted()
        }
    }

    private static func lookUp(_ name: String, in table: [String: String]) -> String? {
        numbered(name) { table[$0].map { [$0] } }.first
    }

    /// What `find` has for a name, or for the name with `#` in place of its first number, which is then put back.
    private static func numbered(_ name: String, _ find: (String) -> [String]?) -> [String] {
        if let found = find(name), !found.isEmpty { return found }
        guard let place = firstNumber(in: name) else { return [] }
        let pattern = "\(name[..<place.lowerBound])#\(name[place.upperBound...])"
        return find(pattern)?.map { $0.replacing("#", with: name[place]) } ?? []
    }

    /// Where the first number stands between dots, or a dot and an end. Bytes are looked at: all keys of all tables pass here
    /// when a file is recognised.
    private static func firstNumber(in name: String) -> Range<String.Index>? {
        let bytes = name.utf8
        var start = bytes.startIndex
        while true {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: ".")) ?? bytes.endIndex
            let digits = bytes[start..<end]
            if !digits.isEmpty, digits.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) {
                return start..<end
            }
            guard end < bytes.endIndex else { return nil }
            start = bytes.index(after: end)
        }
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
        for key in tensors.keys.sorted() where key.hasPrefix(prefix) {
            let name = table.rename(String(key.dropFirst(prefix.count)))
            if let other = sources.updateValue(key, forKey: name) {
                let pair = [key, other].sorted()
                throw .malformed(file: path, reason: "\"\(pair[0])\" and \"\(pair[1])\" are one tensor, \"\(name)\"")
            }
            renamed[name] = tensors[key]
        }
        return replacingTensors(renamed)
    }
}
