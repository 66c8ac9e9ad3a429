import Media
import Pipelines
import Support

/// How a file was made, in the words of the A1111 web UI, which many programs read: prompt, negative prompt, and one
/// line of `Name: value` pairs.
package enum FileMetadata {
    /// The steps are those of the whole schedule, as the web UI counts them: the strength says how many of them ran.
    /// - Parameter ran: what made the picture or clip.
    package static func text(_ request: GenerationRequest, image: Int, ran: RunRecord) -> String {
        let scales = ran.guidanceScales
        var pairs = [("Steps", "\(ran.requestedSteps)"), ("Sampler", ran.sampler)]
        for (index, scale) in scales.prefix(2).enumerated() {
            pairs.append((index == 0 ? "CFG scale" : "CFG scale 2", "\(scale)"))
        }
        pairs += [
            ("Seed", "\(request.seed(ofImage: image))"),
            ("Size", "\(request.width)x\(request.height)"),
            ("Model", quoted(request.model)),
            ("Generator", quoted(ran.generator)),
        ]
        if let size = request.scaledSize { pairs.append(("Scaled to", "\(size)")) }
        if let sigma = ran.sigmas.first, request.image != nil, request.kind == .image {
            let strength = request.strength ?? GenerationParameters.defaultStrength
            pairs += [("Denoising strength", "\(strength)"), ("Start sigma", "\(sigma)")]
        }
        if let fit = request.fit { pairs.append(("Fit", fit.rawValue)) }
        pairs += request.pictureDigests.map { ("Input picture", $0) }
        // Where the large VAE decodes, files are as they were before there was another.
        if ran.decoder == .tiny { pairs.append(("VAE Decoder", "tiny")) }
        if request.kind == .video {
            pairs += [("Frames", "\(request.frames)"), ("FPS", "\(request.fps)")]
        }
        let line = pairs.map { "\($0): \($1)" }.joined(separator: ", ")
        let negative = request.negativePrompt.map { "Negative prompt: \($0)\n" } ?? ""
        return "\(LoRATags.text(request.prompt, request.loras ?? []))\n\(negative)\(line)"
    }

    /// As the web UI does: what would not be read back as one value stands as a JSON string.
    private static func quoted(_ value: String) -> String {
        value.unicodeScalars.contains { [",", "\n", ":"].contains($0) } ? JSON.string(value).text : value
    }
}

extension FileNotes {
    /// What a file of a request says.
    /// - Parameters:
    ///   - image: which of the request's.
    ///   - ran: what made it.
    ///   - generator: the program, as the provenance names it; nil leaves the provenance out.
    package init(_ request: GenerationRequest, image: Int, ran: RunRecord, generator: String?) {
        self.init(
            parameters: FileMetadata.text(request, image: image, ran: ran),
            record: FileRecord(request, image: image, ran: ran).text, provenance: Provenance(generator, of: request))
    }
}

extension Provenance {
    /// Returns nil without a generator.
    package init?(_ generator: String?, of request: GenerationRequest) {
        guard let generator else { return nil }
        self.init(generator: generator, model: request.model)
    }
}
