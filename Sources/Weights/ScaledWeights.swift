import Tensor

/// The factors that files keep beside fp8 weights: `X.scale_weight` (ComfyUI's scaled fp8, one number) or
/// `X.weight_scale` (lightx2v, one for each row) beside `X.weight`.
enum ScaledWeights {
    private static let factors = ["scale_weight", "weight_scale"]
    /// Of quantised activations and of tools; activations are not quantised here.
    private static let notes = ["scale_input", "input_scale", "comfy_quant"]

    /// The tensors with each factor put on its weight.
    /// - Throws: `.wrongShape` for factors that are neither one nor one for each row.
    static func resolve(_ tensors: [String: Weight], source: String) throws(WeightError) -> [String: Weight] {
        var resolved = tensors
        for (key, weight) in tensors where weight.type == .e4m3 {
            if key.split(separator: ".").last == "scaled_fp8" { resolved[key] = nil }
            guard key.hasSuffix(".weight") else { continue }
            let stem = String(key.dropLast("weight".count))
            for note in notes { resolved[stem + note] = nil }
            for name in factors {
                guard let scales = resolved.removeValue(forKey: stem + name) else { continue }
                guard scales.count == 1 || scales.count == weight.shape.first else {
                    throw .wrongShape(
                        key: stem + name, source: source, expected: [weight.shape.first ?? 1], found: scales.shape)
                }
                resolved[key] = weight.scaled(by: scales.widened().reshaped([scales.count]))
            }
        }
        return resolved
    }
}
