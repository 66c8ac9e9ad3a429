import Foundation
import Tensor

/// Ways to quantise weights that are not read here, told by the keys, the metadata and the configuration that their tools
/// leave. What a file is follows from all of them in one order, so that a refusal is the same every time.
struct ForeignQuantization {
    /// Why the file cannot be read and what can be in its place; nil if nothing foreign is in it.
    let refusal: String?

    /// The end of every refusal.
    static let advice =
        "use the model's bf16 or fp8 safetensors, or a GGUF file of it (Q8_0, Q4_K_M and the like)"

    init(
        _ tensors: [String: Weight], _ metadata: [String: String], _ configuration: Checkpoint.Configuration?
    ) {
        let evidence = Evidence(tensors, metadata, configuration)
        refusal = Self.name(evidence).map {
            "its weights are quantised as \($0), which is not read here; \(Self.advice)"
        }
    }

    /// What a checkpoint shows of how it was made.
    private struct Evidence {
        /// The last parts of all keys.
        var endings: Set<String> = []
        /// The types of weights that have a `weight_scale` beside them, with the types of these.
        var scaled: Set<[ElementType]> = []
        /// Whether there are weights of 8-bit integers whose factors are not one for each row.
        var hasUnclearIntegers = false
        /// Formats that `comfy_quant` and ComfyUI's metadata name.
        var comfyFormats: Set<String> = []
        var isRotated = false
        /// Whether a matrix is stored as integers.
        var hasPackedWeights = false
        var method: String?
        var detail: String?
        var modelClass: String?

        init(
            _ tensors: [String: Weight], _ metadata: [String: String], _ configuration: Checkpoint.Configuration?
        ) {
            for (key, weight) in tensors {
                let parts = key.split(separator: ".", omittingEmptySubsequences: false)
                guard let last = parts.last else { continue }
                endings.insert(String(last))
                if last == "comfy_quant" { readMark(weight) }
                guard last == "weight" else { continue }
                if [.u8, .i8, .i32, .u32].contains(weight.type), weight.count > 1 { hasPackedWeights = true }
                let stem = key.dropLast("weight".count)
                if let scale = tensors["\(stem)weight_scale"] ?? tensors["\(stem)scale_weight"] {
                    scaled.insert([weight.type, scale.type])
                    if weight.type == .i8, scale.count != weight.shape.first { hasUnclearIntegers = true }
                }
            }
            if let text = metadata["_quantization_metadata"], let notes = Self.object(Data(text.utf8)) {
                for layer in (notes["layers"] as? [String: Any] ?? [:]).values {
                    if let format = (layer as? [String: Any])?["format"] as? String { comfyFormats.insert(format) }
                }
            }
            modelClass = metadata["model_class"]
            let settings =
                metadata["quantization_config"].flatMap { Self.object(Data($0.utf8)) }
                ?? configuration.flatMap { Self.object($0.json)?["quantization_config"] as? [String: Any] }
            method = (settings?["quant_method"] ?? settings?["method"]) as? String
            detail = (settings?["bnb_4bit_quant_type"] ?? settings?["weights_dtype"]) as? String
        }

        /// ComfyUI's note beside a weight: JSON in bytes.
        private mutating func readMark(_ mark: Weight) {
            guard mark.type == .u8, 1...4096 ~= mark.bytes.count, let note = Self.object(Data(mark.bytes)) else {
                return
            }
            if let format = note["format"] as? String { comfyFormats.insert(format) }
            if note["convrot"] as? Bool == true { isRotated = true }
        }

        private static func object(_ json: Data) -> [String: Any]? {
            (try? JSONSerialization.jsonObject(with: json)) as? [String: Any]
        }
    }

    /// The formats of `comfy_quant` that are read: a type and a factor, nothing else.
    private static let readFormats: Set<String> = ["float8_e4m3fn", "float8_e5m2", "int8_tensorwise"]

    private static func name(_ it: Evidence) -> String? {
        let method = it.method?.lowercased() ?? ""
        if it.modelClass?.contains("Nunchaku") == true || method == "svdquant" || method == "nunchaku"
            || it.endings.isSuperset(of: ["qweight", "wscales"])
        {
            return "Nunchaku's SVDQuant"
        }
        if it.comfyFormats.contains("nvfp4") || it.endings.contains("weight_scale_2") { return "NVFP4" }
        if it.comfyFormats.contains("mxfp8") || it.scaled.contains([.e4m3, .u8]) || it.scaled.contains([.e4m3, .e8m0]) {
            return "MXFP8"
        }
        if it.comfyFormats.contains("mxfp4") || it.endings.isSuperset(of: ["blocks", "scales"]) && it.method == "mxfp4"
        {
            return "MXFP4"
        }
        if it.isRotated { return "int8 after a rotation of the weights (ConvRot)" }
        if let other = it.comfyFormats.subtracting(readFormats).min() { return "ComfyUI's \(other)" }
        if method == "bitsandbytes" || it.endings.contains(where: { $0.hasPrefix("bitsandbytes__") })
            || it.endings.isSuperset(of: ["absmax", "quant_map"]) || it.endings.contains("SCB")
        {
            return "bitsandbytes\(it.detail.map { " (\($0.uppercased()))" } ?? "")"
        }
        if method == "sdnq" || (it.hasPackedWeights && it.endings.isSuperset(of: ["scale", "zero_point"])) {
            return "SDNQ\(it.detail.map { " (\($0))" } ?? "")"
        }
        if it.endings.isSuperset(of: ["qweight", "qzeros"]) { return "GPTQ or AWQ" }
        if it.endings.isSuperset(of: ["_data", "_scale"]) { return "quanto" }
        if it.hasPackedWeights {
            if it.endings.isSuperset(of: ["scales", "biases"]) { return "MLX's affine integers" }
            if !method.isEmpty { return "\(it.method ?? "")\(it.detail.map { " (\($0))" } ?? "")" }
            // One factor for each row, as LightX2V writes them, says all; other factors need ComfyUI's note.
            if it.hasUnclearIntegers, !it.comfyFormats.contains("int8_tensorwise") {
                return "8-bit integers (int8) without a note of how they were made"
            }
        }
        return nil
    }
}
