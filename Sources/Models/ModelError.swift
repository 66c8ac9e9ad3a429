/// Why a model does not open, or why a request does not fit it.
package enum ModelError: Error, CustomStringConvertible {
    case notAModel(folder: String, reason: String)
    case unsupported(folder: String, reason: String)
    /// A component that the phase plan or the pipeline needs is not there.
    case missingComponent(folder: String, component: String, neededBy: String)
    /// Neither a folder of the tokenizer nor one that the text encoder's file carries.
    /// - Parameter fault: what is wrong with the one that it carries; nil where it carries none.
    case noTokenizer(source: String, fault: String?)
    /// A file was named for an expert that no generator has.
    case noSuchExpert(name: String, file: String, experts: [String])
    /// A LoRA file that may be for any of several experts.
    case noExpertNamed(file: String, experts: [String])
    /// A weight file of something else than it was named for.
    case wrongFile(file: String, expected: String, found: String)
    /// A weight file of no network that is known here.
    case unknownFile(file: String, keys: [String])
    case noLoRAFolder(path: String)
    /// No file of that name in the folder of LoRA files; without a folder there are none.
    case noSuchLoRA(name: String, known: [String])
    /// The file is not the one with which the request was accepted.
    case loraChanged(name: String)
    case unusableLoRA(reason: String)
    /// A picture that the network cannot look at.
    case unusablePicture(reason: String)
    /// The network reads a first picture, and none is given.
    case needsPicture
    /// The VAE gave values that are not numbers; no picture is made of them.
    case notFinite(stage: String)

    package var description: String {
        switch self {
        case .notAModel(let folder, let reason): "\(folder): not a model: \(reason)"
        case .unsupported(let folder, let reason): "\(folder): not supported: \(reason)"
        case .missingComponent(let folder, let component, let neededBy):
            "\(folder): \(component) is missing: \(neededBy) needs the folder \(component)/ or a file named for it"
        case .noTokenizer(let source, let fault):
            "\(source): \(fault.map { "its own tokenizer is of no use (\($0))" } ?? "it has no tokenizer, in itself or beside it"): give --tokenizer DIR, the folder tokenizer/ of the model's "
                + "repository (Wan-AI/Wan2.2-T2V-A14B-Diffusers, google/umt5-xxl, Qwen/Qwen-Image)"
        case .noSuchExpert(let name, let file, let experts):
            "\(file): there is no expert \"\(name)\"; the model has \(experts.joined(separator: ", "))"
        case .noExpertNamed(let file, let experts):
            "\(file): say for which expert it is, e.g. \(experts[0])=FILE; the model has \(experts.joined(separator: ", "))"
        case .wrongFile(let file, let expected, let found):
            "\(file): not the \(expected) it was named for, but \(found)"
        case .unknownFile(let file, let keys):
            "\(file): no transformer, text encoder, VAE or LoRA that is known here; its keys begin with "
                + keys.joined(separator: ", ")
        case .noLoRAFolder(let path): "\(path): not a folder of LoRA files"
        case .noSuchLoRA(let name, let known):
            "there is no LoRA '\(name.prefix(100))'; there is "
                + (known.isEmpty ? "none" : known.prefix(20).map { "'\($0)'" }.joined(separator: ", "))
                + (known.count > 20 ? " and \(known.count - 20) more" : "")
        case .loraChanged(let name): "the file of the LoRA '\(name)' is not what it was when the request was made"
        case .unusablePicture(let reason): "a picture cannot be used: \(reason)"
        case .unusableLoRA(let reason): reason
        case .needsPicture: "the model starts from a picture, and none is given"
        case .notFinite(let stage): "the \(stage) gave values that are not finite numbers"
        }
    }
}
