import Models
import Pictures
import Pipelines
import Support

/// The pictures that a request starts from. The request names them by digest; the bytes lie beside it.
extension GenerationRequest {
    /// Digests of all of them, each once, in order.
    package var pictureDigests: [String] {
        let all = [image, lastImage].compactMap(\.self) + (images ?? [])
        return all.enumerated().filter { !all[..<$0].contains($1) }.map(\.element)
    }

    /// - Parameter picture: the decoded picture of a digest.
    package func given(_ picture: (String) throws -> RGBImage) rethrows -> GivenPictures {
        GivenPictures(
            first: try image.map(picture), last: try lastImage.map(picture),
            references: try (images ?? []).map(picture), fit: fit ?? .crop)
    }

    /// Whether the first picture is changed by strength: the model's network does not read it.
    package func isChangeByStrength(of model: Pipeline) -> Bool {
        image != nil && model.traits.pictures.changesByStrength(frames: frames)
    }

    /// - Throws: `ServingError.invalid`, which names the picture's field.
    func validatePictures(for model: Pipeline) throws {
        let inputs = model.traits.pictures
        let given = [("image", image), ("last_image", lastImage), ("images", images?.first)]
        if let field = given.first(where: { $0.1 != nil })?.0, let reason = model.pictureRefusal {
            throw refusal(field, reason)
        }
        try validateFirst(inputs, model.id)
        if lastImage != nil {
            guard inputs.last != .never else { throw refusal("last_image", "\(model.id) takes no last frame") }
            guard image != nil else { throw refusal("last_image", "a last frame needs a first one, image") }
        } else if inputs.last == .required {
            throw refusal("last_image", "\(model.id) needs a last frame")
        }
        let count = images?.count ?? 0
        guard inputs.references.contains(count) else {
            throw refusal("images", "\(count) given; \(model.id) takes \(Self.counted(inputs.references))")
        }
        guard fit == nil || image != nil || lastImage != nil else {
            throw refusal("fit", "it says how a picture is fitted; give image as well")
        }
        guard let strength else { return }
        guard image == nil || kind == .image || inputs.first == .never else {
            throw refusal("strength", "a clip begins with the picture as it is; a picture is changed by strength")
        }
        guard isChangeByStrength(of: model) else {
            throw refusal(
                "strength", "it is for a picture that is changed by strength: give image, to a model of text to image")
        }
        let range = RequestFields.strengths
        guard strength.isFinite, range.contains(Double(strength)) else {
            throw refusal(
                "strength",
                "\(strength) given; allowed is \(JSON(range.lowerBound).text) to \(JSON(range.upperBound).text)")
        }
    }

    /// - Parameter sizes: of the pictures that the request calls `images`, in their order.
    /// - Throws: `ServingError.invalid`, which names `images`, for one that the model's network does not look at.
    package func validateReferences(of sizes: [PixelSize], for model: Pipeline) throws {
        for (index, size) in sizes.enumerated() {
            guard let reason = model.traits.pictures.referenceSides.refusal(width: size.width, height: size.height)
            else {
                continue
            }
            throw refusal("images", sizes.count > 1 ? "picture \(index + 1): \(reason)" : reason)
        }
    }

    private func validateFirst(_ inputs: PictureInputs, _ model: String) throws {
        guard image != nil else {
            if inputs.first == .required {
                throw refusal("image", "\(model) makes clips from a picture: give the first frame")
            }
            return
        }
        switch (inputs.first, kind) {
        case (.never, .image):
            guard (images ?? []).isEmpty || !inputs.looksAtImage else {
                throw refusal(
                    "images", "a picture is changed by strength (image) or looked at (images): give one of them")
            }
        case (.never, .video):
            throw refusal(
                "image",
                "\(model) makes clips from text only; clips from a picture are made by models whose /v1/capabilities name a "
                    + "first picture: those of the families \(Self.familiesFromAFrame)")
        case (.required, .image):
            throw refusal("image", "\(model) takes a picture as the first frame of a clip: ask for a video")
        case (.optional, .image), (_, .video): break
        }
    }

    private static var familiesFromAFrame: String {
        Families.all.filter { $0.traits.pictures.first != .never }.map(\.name).joined(separator: ", ")
    }

    private static func counted(_ range: ClosedRange<Int>) -> String {
        switch (range.lowerBound, range.upperBound) {
        case (0, 0): "no reference pictures"
        case (let least, let most) where least == most: "exactly \(most)"
        case (let least, let most): "\(least) to \(most)"
        }
    }

    private func refusal(_ field: String, _ reason: String) -> ServingError { .invalid(field: field, reason: reason) }
}
