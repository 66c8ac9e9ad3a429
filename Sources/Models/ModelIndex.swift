import Foundation
import Support

/// `model_index.json` of a diffusers pipeline folder: which class it is and what components it has.
package struct ModelIndex: Sendable {
    package let pipelineClass: String
    /// Component name -> class name, e.g. `transformer` -> `WanTransformer3DModel`.
    package let components: [String: String]
    /// Whether the network is given a time for each token (`expand_timesteps` of Wan's pipelines).
    package let expandsTimesteps: Bool

    /// Whether the network was distilled to do without guidance (`is_distilled` of FLUX.2's pipelines).
    package let isDistilled: Bool
    /// Whether zeros stand for a negative prompt that was not given (`force_zeros_for_empty_prompt` of SDXL's pipelines).
    package let zerosEmptyPrompt: Bool

    /// - Throws: `ModelError.notAModel` with what is missing.
    package init(folder: String) throws {
        let path = "\(folder)/model_index.json"
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
            throw ModelError.notAModel(folder: folder, reason: Self.absence(in: folder))
        }
        if let foreign = ForeignFile.description(of: data.prefix(ForeignFile.looked)) {
            throw ModelError.notAModel(folder: folder, reason: "model_index.json is \(foreign)")
        }
        guard let fields = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any] else {
            throw ModelError.notAModel(folder: folder, reason: "model_index.json is not a JSON object")
        }
        guard let name = fields["_class_name"] as? String else {
            throw ModelError.notAModel(folder: folder, reason: "model_index.json has no \"_class_name\"")
        }
        pipelineClass = name
        expandsTimesteps = fields["expand_timesteps"] as? Bool ?? false
        isDistilled = fields["is_distilled"] as? Bool ?? false
        zerosEmptyPrompt = fields["force_zeros_for_empty_prompt"] as? Bool ?? true
        components = fields.compactMapValues { value in
            // [library, class]; null for a component that is absent.
            guard let pair = value as? [Any], pair.count == 2 else { return nil }
            return pair[1] as? String
        }
    }

    /// What a folder without `model_index.json` is instead.
    private static func absence(in folder: String) -> String {
        func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(name)") }
        guard FileManager.default.fileExists(atPath: folder) else { return "no such file or folder" }
        if has("modular_model_index.json") {
            return "it is a repository of diffusers' modular pipelines (modular_model_index.json), which are not run; "
                + "use the repository of the same model that has a model_index.json"
        }
        return "it has no model_index.json"
    }
}
