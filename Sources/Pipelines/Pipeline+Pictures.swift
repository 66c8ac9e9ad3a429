import Diffusion
import Models
import Pictures
import Tensor

/// What becomes of the pictures that a request starts from.
extension Pipeline {
    /// The part that decodes latents, and encodes pictures.
    package var autoencoderPart: Part { traits.course.last { $0.kind == .decode }?.part ?? "vae" }

    /// Whether pictures are changed by strength: a first picture for a network that reads none.
    func changesByStrength(_ pictures: GivenPictures) -> Bool {
        pictures.first != nil && traits.pictures.changesByStrength
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

    /// Grey pictures of every kind that the network takes a first or last frame from, to measure with or to plan by.
    package func greyPictures(width: Int, height: Int, frames: Int) throws -> GivenPictures {
        guard !traits.pictures.changesByStrength else { return GivenPictures() }
        let grey = try RGBImage(
            width: width, height: height, bytes: [UInt8](repeating: 128, count: 3 * width * height))
        return GivenPictures(first: grey, last: traits.pictures.last != .never && frames > 1 ? grey : nil)
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
        defer { Arena.shared.giveBack() }
        let (width, height, frames) = sides(of: latent)
        return try residency.pass(through: autoencoderPart) { check in
            func both() throws {
                try interrupt()
                try check()
            }
            if changesByStrength(pictures), let first = pictures.first {
                guard pictures.references.isEmpty, pictures.last == nil, frames == 1 else {
                    throw ModelError.unsupported(
                        folder: source, reason: "one picture alone is changed by strength, and into a picture")
                }
                let fitted = try first.fitted(width: width, height: height, fit: pictures.fit)
                let clean = try parts.autoencoder.latent(of: fitted.signed, interrupt: both)
                return .start(Tensor.lasting(packed(clean, by: traits.packing).copy))
            }
            guard let encoder = parts.pictureEncoder else {
                throw ModelError.unsupported(folder: source, reason: "its network reads no pictures")
            }
            return .inputs(
                try encoder.inputs(of: pictures, width: width, height: height, frames: frames, interrupt: both)
                    .lasting)
        }
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
enum EncodedPictures {
    case inputs(GenerationInputs)
    /// The latent `[C, F, H, W]` of a picture that is changed by strength.
    case start(Tensor)
}
