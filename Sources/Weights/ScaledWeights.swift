import Tensor

/// The factors that files keep beside narrow weights: `X.scale_weight` (ComfyUI's scaled fp8, one number) or
/// `X.weight_scale` (lightx2v and ComfyUI, one number or one for each row) beside `X.weight`.
enum ScaledWeights {
    private static let factors = ["scale_weight", "weight_scale"]
    /// Names of notes about quantised activations and about tools. Phasor does not quantise activations by them.
    private static let notes = ["scale_input", "input_scale", "comfy_quant"]
    /// Factors in names whose meaning differs from tool to tool: whether they multiply or divide, and over which blocks.
    private static let unclear = ["weight_scale_inv", "weight.scale"]
    private static let narrow: Set<ElementType> = [.e4m3, .e5m2, .i8]

    /// The tensors with each factor put on its weight. Nothing that looks like a factor of a narrow weight stays unread.
    /// - Throws: `.wrongShape` for factors that are neither one nor one for each row, `.malformed` for one that is not finite,
    ///   `.unsupported` for those that are not understood; all with the key.
    static func resolve(_ tensors: [String: Weight], source: String) throws(WeightError) -> [String: Weight] {
        let beside = Self.beside(tensors)
        var resolved = tensors
        for key in tensors.keys where key == "scaled_fp8" || key.hasSuffix(".scaled_fp8") { resolved[key] = nil }
        for stem in beside.keys.sorted() {
            guard let weight = tensors[stem + "weight"] else { continue }
            let names = beside[stem]?.sorted() ?? []
            let known = factors.filter(names.contains)
            for name in names where !factors.contains(name) {
                if notes.contains(name) {
                    if narrow.contains(weight.type) || !known.isEmpty { resolved[stem + name] = nil }
                } else if narrow.contains(weight.type) || unclear.contains(name) {
                    throw .unsupported(
                        file: source,
                        reason:
                            "\"\(stem)\(name)\" is a factor of \(weight.type.rawValue) weights that is not understood "
                            + "here (\(factors.joined(separator: " and ")) are); \(ForeignQuantization.advice)")
                }
            }
            guard let name = known.first else { continue }
            guard known.count == 1 else {
                throw .unsupported(
                    file: source, reason: "\"\(stem)weight\" has two factors, \(known.joined(separator: " and "))")
            }
            guard let scales = resolved.removeValue(forKey: stem + name) else { continue }
            guard scales.count == 1 || scales.count == weight.shape.first, scales.type.isFloatingPoint else {
                throw .wrongShape(
                    key: stem + name, source: source, expected: [weight.shape.first ?? 1], found: scales.shape)
            }
            let values = scales.widened().reshaped([scales.count])
            guard values.array.allSatisfy(\.isFinite) else {
                throw .malformed(file: source, reason: "\"\(stem)\(name)\" has a factor that is not a finite number")
            }
            resolved[stem + "weight"] = weight.scaled(by: values)
        }
        return resolved
    }

    /// Words that occur in the names of factors and of what belongs to them.
    private static let words = ["scale", "zero", "absmax", "quant", "amax"]

    /// The names of what may be factors, by the stem of the weight that they would belong to (`blocks.0.ffn.0.`).
    private static func beside(_ tensors: [String: Weight]) -> [String: [String]] {
        var found: [String: [String]] = [:]
        for key in tensors.keys {
            guard let dot = key.lastIndex(of: ".") else { continue }
            let name = key[key.index(after: dot)...]
            let lower = name.lowercased()
            guard words.contains(where: lower.contains) else { continue }
            let stem = key[...dot]
            if stem.hasSuffix(".weight.") || stem == "weight." {
                found[String(stem.dropLast("weight.".count)), default: []].append("weight.\(name)")
            } else {
                found[String(stem), default: []].append(String(name))
            }
        }
        return found
    }
}
