import Diffusion
import Pictures
import Tensor

/// The picture side of Qwen-Image-Edit: reference pictures become latents whose tokens follow those of the picture that is made.
///
/// Reference: `QwenImageEditPlusPipeline` in diffusers' pipelines/qwenimage.
struct QwenImageEditPictureEncoder: PictureEncoder {
    let autoencoder: any Autoencoder
    /// Cells along a side that are folded into the channels.
    let packing: Int
    /// Pixels that a picture is scaled to, whatever the result's size.
    var area = 1024 * 1024

    /// Sides of what is encoded, and of a result that no size is asked for.
    static let multiple = 32

    func inputs(
        of pictures: GivenPictures, width: Int, height: Int, frames: Int, interrupt: () throws -> Void
    ) throws -> GenerationInputs {
        GenerationInputs(
            references: try pictures.references.map { picture in
                try latent(of: Self.scaled(picture, toArea: area).signed, interrupt: interrupt)
            })
    }

    /// The packed latent of a picture `[1, H, W, 3]` in [-1, 1].
    func latent(of frame: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        packed(try autoencoder.latent(of: frame, interrupt: interrupt), by: packing)
    }

    /// The picture in its own ratio at about that many pixels.
    static func scaled(_ picture: RGBImage, toArea area: Int) throws -> RGBImage {
        let size = PictureSize(width: picture.width, height: picture.height)
            .scaled(toArea: area, multiple: multiple, .nearest)
        return try picture.resized(width: size.width, height: size.height, filter: .lanczos)
    }
}
