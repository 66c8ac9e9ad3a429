/// Why a model folder does not open, or why a request does not fit it.
package enum PipelineError: Error, CustomStringConvertible {
    case notAModel(folder: String, reason: String)
    case unsupported(folder: String, reason: String)
    /// A component that the phase plan or the pipeline needs is not there.
    case missingComponent(folder: String, component: String, neededBy: String)
    /// A weight file of no network that is known here.
    case unknownFile(file: String, keys: [String])
    /// The VAE gave values that are not numbers; no picture is made of them.
    case notFinite(stage: String)

    package var description: String {
        switch self {
        case .notAModel(let folder, let reason): "\(folder): not a model folder: \(reason)"
        case .unsupported(let folder, let reason): "\(folder): not supported: \(reason)"
        case .missingComponent(let folder, let component, let neededBy):
            "\(folder): the folder \(component)/ is missing, \(neededBy) needs it"
        case .unknownFile(let file, let keys):
            "\(file): no transformer, text encoder, VAE or LoRA that is known here; its keys begin with "
                + keys.joined(separator: ", ")
        case .notFinite(let stage): "the \(stage) gave values that are not finite numbers"
        }
    }
}
