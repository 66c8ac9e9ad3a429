import Diffusion

/// How a file was made, in the words of the A1111 web UI, which many programs read: prompt, negative prompt, and one
/// line of `Name: value` pairs.
package enum FileMetadata {
    /// The keyword of the PNG text chunk.
    package static let keyword = "parameters"

    /// - Parameter scales: guidance scales as they were used, one per phase.
    package static func text(
        _ request: GenerationRequest, image: Int, steps: Int, scales: [Float], generator: GeneratorSpec
    ) -> String {
        var pairs = [
            ("Steps", "\(steps)"),
            ("Sampler", generator.sampler.rawValue),
            ("CFG scale", "\(scales[0])"),
        ]
        if scales.count > 1 { pairs.append(("CFG scale 2", "\(scales[1])")) }
        pairs += [
            ("Seed", "\(request.seed(ofImage: image))"),
            ("Size", "\(request.width)x\(request.height)"),
            ("Model", request.model),
            ("Generator", generator.name),
        ]
        if request.kind == .video {
            pairs += [("Frames", "\(request.frames)"), ("FPS", "\(request.fps)")]
        }
        let line = pairs.map { "\($0): \($1)" }.joined(separator: ", ")
        let negative = request.negativePrompt.map { "Negative prompt: \($0)\n" } ?? ""
        return "\(LoRATags.text(request.prompt, request.loras ?? []))\n\(negative)\(line)"
    }
}
