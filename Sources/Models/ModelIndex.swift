import Foundation
import Support

/// `model_index.json` of a diffusers pipeline folder: which class it is and what components it has.
package struct ModelIndex: Sendable {
    package let pipelineClass: String
    /// Component name -> class name, e.g. `transformer` -> `WanTransformer3DModel`.
    package let components: [String: String]
    /// Whether the network is given a time for each token (`expand_timesteps` of Wan's pipelines).
    package let expandsTimesteps: Bool

    /// - Throws: `ModelError.notAModel` with what is missing.
    package init(folder: String) throws {
        let path = "\(folder)/model_index.json"
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
            let exists = FileManager.default.fileExists(atPath: folder)
            throw ModelError.notAModel(
                folder: folder, reason: exists ? "it has no model_index.json" : "no such folder")
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
        components = fields.compactMapValues { value in
            // [library, class]; null for a component that is absent.
            guard let pair = value as? [Any], pair.count == 2 else { return nil }
            return pair[1] as? String
        }
    }
}
