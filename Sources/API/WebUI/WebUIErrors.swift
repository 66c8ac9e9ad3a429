import Jobs
import Pipelines

/// Refusals in the words of the web UI's dialect: a client is told of the fields that it sent.
enum WebUIErrors {
    /// - Parameter request: what was refused, if it came so far.
    static func translated(_ error: any Error, of request: GenerationRequest?, model: Pipeline?) -> any Error {
        switch error {
        case ServingError.invalid(let field, let reason):
            let name = name(of: field, request, model)
            return APIError.invalid(name, "\(name): \(inDialect(reason))")
        case ServingError.unknownModel:
            var refusal = APIError(error)
            refusal.param = RequestFields.model.name(for: .webUI)
            refusal.message = "sd_model_checkpoint: \(refusal.message)"
            return refusal
        default: return error
        }
    }

    private static func name(of field: String, _ request: GenerationRequest?, _ model: Pipeline?) -> String {
        switch field {
        // Where this dialect has them.
        case "loras": return "prompt"
        case "n": return "batch_size"
        case "size":
            guard let request, let multiple = model?.sizes.sideMultiple else { return "width" }
            let isWidth = request.width % multiple != 0 || request.height % multiple == 0
            return isWidth ? "width" : "height"
        default: return RequestFields.name(of: field, for: .webUI)
        }
    }

    /// Sentences name fields as the API of our own does.
    private static func inDialect(_ text: String) -> String {
        [RequestFields.stepCount, RequestFields.guidanceScale].reduce(text) { text, field in
            guard let name = field.name(for: .webUI) else { return text }
            return text.split(separator: field.name, omittingEmptySubsequences: false).joined(separator: name)
        }
    }
}
