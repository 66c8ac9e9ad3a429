import Diffusion
import Models
import Pictures
import Support
import Tensor

/// What becomes of the pictures that a request starts from.
extension Pipeline {
    /// The part that decodes latents, and encodes pictures.
    package var autoencoderPart: Part { traits.course.last { $0.kind == .decode }?.part ?? "vae" }

    /// Whether pictures are changed by strength: a first picture that the network does not read.
    func changesByStrength(_ pictures: GivenPictures, frames: Int) -> Bool {
        pictures.first != nil && traits.pictures.changesByStrength(frames: frames)
    }

    /// Why the model takes no pictures at all, where its family's models take some; nil where it does.
    package var pictureRefusal: String? {
        guard parts.autoencoder is any TinyAutoencoder else { return nil }
        guard traits.pictures == .none else {
            return
                "\(id) was opened with a tiny autoencoder as its VAE, which cannot encode what the network looks at; the "
                + "same file as --preview-vae leaves that to the large one"
        }
        return parts.autoencoder.hasEncoder
            ? nil : "the file of the tiny autoencoder that \(id) was opened with holds a decoder alone"
    }

    /// The size of a result that none is asked for: the default, or of about the ratio of the picture that decides.
    /// - Parameters:
    ///   - first: of the first picture.
    ///   - references: of those that the network looks at.
    package func usualSize(first: PixelSize? = nil, references: [PixelSize] = []) -> PixelSize {
        if let multiple = traits.pictures.resultMultiple, let last = references.last ?? first {
            let size = sizes.usual(like: PictureSize(width: last.width, height: last.height), multiple: multiple)
            if sizes.refusal(width: size.width, height: size.height) == nil {
                return PixelSize(width: size.width, height: size.height)
            }
        }
        return (first ?? references.first).map(sizes.usual(like:)) ?? sizes.defaultSize
    }

    /// Grey pictures of every kind that the network takes, to measure with or to plan by: one reference at least, if it takes
    /// any, of a result's default size.
    /// - Parameter references: sides of the references instead of that.
    package func greyPictures(
        width: Int, height: Int, frames: Int, references: [PixelSize]? = nil
    ) throws -> GivenPictures {
        func grey(_ size: PixelSize) throws -> RGBImage {
            try RGBImage(
                width: size.width, height: size.height,
                bytes: [UInt8](repeating: 128, count: 3 * size.width * size.height))
        }
        let inputs = traits.pictures
        let count = max(inputs.references.lowerBound, min(inputs.references.upperBound, 1))
        var pictures = GivenPictures(
            references: try (references ?? [PixelSize](repeating: sizes.defaultSize, count: count)).map(grey))
        guard inputs.first != .never else { return pictures }
        let frame = try grey(PixelSize(width: width, height: height))
        pictures.first = frame
        if inputs.last != .never, frames > 1 { pictures.last = frame }
        return pictures
    }

    /// Encodes pictures: to inputs of the network where it reads pictures, else to the latent to start from.
    ///
    /// - Parameters:
    ///   - latent: `[C, F, H, W]` of the sides that are to be made.
    ///   - interrupt: called now and then; throwing from it ends the encoding.
    /// - Throws: `ImageError` for sides that no picture can have; `ModelError.unsupported` for pictures that the model does
    ///   not take.
    func encode(
        _ pictures: GivenPictures, like latent: Tensor, interrupt: () throws -> Void
    ) throws -> EncodedPictures {
        defer { residency.releaseActivations() }
        let (width, height, frames) = sides(of: latent)
        return try residency.pass(through: autoencoderPart) { check in
            try encoded(pictures, width: width, height: height, frames: frames) {
                try interrupt()
                try check()
            }
        }
    }

    /// The same, wherever the weights are.
    package func encoded(
        _ pictures: GivenPictures, width: Int, height: Int, frames: Int, interrupt: () throws -> Void = {}
    ) throws -> EncodedPictures {
        if changesByStrength(pictures, frames: frames), let first = pictures.first {
            guard pictures.references.isEmpty, pictures.last == nil, frames == 1 else {
                throw ModelError.unsupported(
                    folder: source, reason: "one picture alone is changed by strength, and into a picture")
            }
            let fitted = try first.fitted(width: width, height: height, fit: pictures.fit)
            let clean = try parts.autoencoder.latent(of: fitted.signed, interrupt: interrupt)
            return .start(Tensor.lasting(packed(clean, by: traits.packing).copy))
        }
        guard let encoder = parts.pictureEncoder else {
            throw ModelError.unsupported(folder: source, reason: "its network reads no pictures")
        }
        return .inputs(
            try encoder.inputs(of: pictures, width: width, height: height, frames: frames, interrupt: interrupt)
                .lasting)
    }

    /// Sides and length of what a latent `[C, F, H, W]` is decoded to.
    private func sides(of latent: Tensor) -> (width: Int, height: Int, frames: Int) {
        let cell = parts.autoencoder.spatialFactor * traits.packing
        return (
            latent.shape[3] * cell, latent.shape[2] * cell,
            (latent.shape[1] - 1) * parts.autoencoder.temporalFactor + 1
        )
    }
}

/// What given pictures were encoded to.
package enum EncodedPictures {
    case inputs(GenerationInputs)
    /// The latent `[C, F, H, W]` of a picture that is changed by strength.
    case start(Tensor)
}
