import Diffusion
import Pictures
import Tensor

/// The picture side of FLUX.2-klein: reference pictures become latents whose rows follow those of the picture that is made.
///
/// Reference: `Flux2ImageProcessor` and `prepare_image_latents` in diffusers' pipelines/flux2.
struct Flux2PictureEncoder: PictureEncoder {
    let autoencoder: any Autoencoder
    /// Cells along a side that are folded into the channels.
    let packing: Int

    /// Sides of what is encoded are multiples of so many pixels.
    var multiple: Int { autoencoder.spatialFactor * packing }

    static let sides = SideRule(least: 64, mostAspect: 8)
    /// Larger pictures are scaled down to it.
    private static let mostPixels = 1024 * 1024

    /// Each picture keeps its own size, whatever the result's.
    func inputs(
        of pictures: GivenPictures, width: Int, height: Int, frames: Int, interrupt: () throws -> Void
    ) throws -> GenerationInputs {
        GenerationInputs(
            references: try pictures.references.map { picture in
                let prepared = try Self.prepared(picture, multiple: multiple)
                return packed(try autoencoder.latent(of: prepared.signed, interrupt: interrupt), by: packing)
            })
    }

    /// A picture as it is encoded: not larger than a megapixel, and of it the middle whose sides are multiples.
    /// - Throws: `ModelError.unusablePicture` for one that is too small, or too long and thin.
    static func prepared(_ picture: RGBImage, multiple: Int) throws -> RGBImage {
        let (width, height) = (picture.width, picture.height)
        if let reason = sides.refusal(width: width, height: height) { throw ModelError.unusablePicture(reason: reason) }
        let size = PictureSize(width: width, height: height)
        let reduced = size.reduced(toArea: mostPixels)
        let scaled =
            reduced == size
            ? picture : try picture.resized(width: reduced.width, height: reduced.height, filter: .lanczos)
        let kept = reduced.cut(toMultiple: multiple)
        return try scaled.middle(width: kept.width, height: kept.height)
    }
}
