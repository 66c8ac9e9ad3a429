import Foundation
import Tensor

/// The settings of PEFT that decide how strong an update is: `adapter_config.json` beside the weights, or what diffusers
/// writes into the file's metadata (`lora_adapter_metadata`, a JSON object with `transformer.lora_alpha` and so on).
struct AdapterSettings: Sendable {
    /// The settings of one component of a pipeline.
    private struct Component: Sendable {
        var alpha: Double?
        /// alpha / sqrt(rank) in place of alpha / rank (rsLoRA, arXiv 2312.03732).
        var isStabilized = false
        /// The alphas by the ends of module names.
        var alphas: [String: Double] = [:]
    }

    /// The components by name; "" is for all.
    private let components: [String: Component]

    /// - Throws: `WeightError` for settings that are no JSON object, or that ask for what is not computed here.
    init(_ checkpoint: Checkpoint) throws(WeightError) {
        var components: [String: Component] = [:]
        if let text = checkpoint.metadata["lora_adapter_metadata"] {
            guard let settings = Self.object(Data(text.utf8)) else {
                throw .malformed(file: checkpoint.path, reason: "lora_adapter_metadata is not a JSON object")
            }
            var groups: [String: [String: Any]] = [:]
            for (key, value) in settings {
                let name = key.split(separator: ".", maxSplits: 1)
                if name.count == 2 {
                    groups[String(name[0]), default: [:]][String(name[1])] = value
                } else {
                    groups["", default: [:]][key] = value
                }
            }
            for name in groups.keys.sorted() {
                components[name] = try Self.component(groups[name] ?? [:], file: checkpoint.path)
            }
        }
        if let configuration = checkpoint.configuration, configuration.source.hasSuffix("adapter_config.json") {
            guard let settings = Self.object(configuration.json) else {
                throw .malformed(file: configuration.source, reason: "it is not a JSON object")
            }
            components[""] = try Self.component(settings, file: configuration.source)
        }
        self.components = components
    }

    private static func object(_ json: Data) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: json)) as? [String: Any]
    }

    private static func component(_ settings: [String: Any], file: String) throws(WeightError) -> Component {
        if let type = settings["peft_type"] as? String, !["LORA", "LOHA", "LOKR"].contains(type.uppercased()) {
            throw .unusableAdapter(
                file: file, reason: "it is an adapter of PEFT's type \(type), which is not computed here")
        }
        if settings["use_dora"] as? Bool == true {
            throw .unusableAdapter(
                file: file, reason: "it is DoRA (weight-decomposed LoRA, use_dora), which is not computed here")
        }
        var component = Component()
        for (field, text) in [("lora_alpha", "LoRA"), ("alpha", "LoKr or LoHa")] where component.alpha == nil {
            guard let value = settings[field], !(value is NSNull) else { continue }
            guard let number = value as? Double, number.isFinite else {
                throw .malformed(file: file, reason: "\(field), the alpha of a \(text), is not a number")
            }
            component.alpha = number
        }
        component.isStabilized = settings["use_rslora"] as? Bool ?? false
        // The ranks of `rank_pattern` are those of the factors themselves.
        let alphas = settings["alpha_pattern"] as? [String: Any] ?? [:]
        for pattern in alphas.keys.sorted() {
            guard let number = alphas[pattern] as? Double, number.isFinite else {
                throw .malformed(file: file, reason: "alpha_pattern.\(pattern) is not a number")
            }
            // PEFT takes them for regular expressions over the ends of names; those that occur are names.
            guard !pattern.contains(where: { "\\*+?[](){}|$".contains($0) }) else {
                throw .unusableAdapter(
                    file: file, reason: "alpha_pattern has the regular expression \"\(pattern)\"; only names are read")
            }
            component.alphas[pattern] = number
        }
        return component
    }

    /// The scale of a module's update.
    /// - Parameters:
    ///   - alpha: what the file has for the module itself, which counts before all settings.
    ///   - module: its name in the file.
    ///   - component: whose update it is: an expert or a text encoder.
    func scale(alpha: Double?, rank: Int, module: String, component name: String) -> Double {
        // A file of one component may name it as it was named when it was trained.
        let only = components.count == 1 && !name.hasPrefix("text_encoder") ? components.first?.value : nil
        let component = components[name] ?? components[""] ?? only
        let settled =
            alpha
            ?? component?.alphas.filter { Self.ends(module, with: $0.key) }
            .max { ($0.key.count, $0.key) < ($1.key.count, $1.key) }?.value
        guard let value = settled ?? component?.alpha else { return 1 }
        let divisor = alpha == nil && component?.isStabilized == true ? Double(rank).squareRoot() : Double(rank)
        return value / divisor
    }

    private static func ends(_ module: String, with pattern: String) -> Bool {
        if pattern.hasPrefix("^") { return module == pattern.dropFirst() }
        return module == pattern || module.hasSuffix(".\(pattern)")
    }
}
