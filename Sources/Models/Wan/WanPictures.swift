import Diffusion
import Pictures
import Tensor

/// What the image-to-video network reads beside the latent: a mask of the given frames, then the latent of a clip that holds
/// them and is grey elsewhere. Reference: `prepare_latents` in diffusers' pipeline_wan_i2v.py.
struct WanPictures: PictureEncoder {
    /// The channels of a mask: one for each frame in a latent frame.
    static let maskChannels = 4

    let vae: WanVAE

    func inputs(
        of pictures: GivenPictures, width: Int, height: Int, frames: Int, interrupt: () throws -> Void
    ) throws -> GenerationInputs {
        guard let first = pictures.first else { throw ModelError.needsPicture }
        func fitted(_ picture: RGBImage) throws -> Tensor {
            try picture.fitted(width: width, height: height, fit: pictures.fit).signed
        }
        // A clip of one frame ends where it begins.
        let last = frames > 1 ? pictures.last : nil
        let latent = try vae.latent(
            first: fitted(first), last: last.map(fitted), frames: frames, interrupt: interrupt)
        let mask = Self.mask(like: latent, hasLast: last != nil)
        return GenerationInputs(channels: Tensor.concatenate([mask, latent]))
    }

    /// 1 where a frame is given: `[4, F, H, W]`. Channel c of latent frame f > 0 stands for frame 4 (f - 1) + c + 1; all of
    /// frame 0 stand for the first.
    static func mask(like latent: Tensor, hasLast: Bool) -> Tensor {
        let (frames, area) = (latent.shape[1], latent.shape[2] * latent.shape[3])
        return Tensor(shape: [maskChannels] + latent.shape.dropFirst()) { out in
            for index in out.indices {
                let (channel, frame) = (index / (frames * area), index / area % frames)
                let isLast = hasLast && frame == frames - 1 && channel == maskChannels - 1
                out[index] = frame == 0 || isLast ? 1 : 0
            }
        }
    }
}

/// The first latent frame of TI2V: the picture alone, encoded.
struct WanFirstFrame: PictureEncoder {
    let autoencoder: any Autoencoder

    func inputs(
        of pictures: GivenPictures, width: Int, height: Int, frames: Int, interrupt: () throws -> Void
    ) throws -> GenerationInputs {
        guard let first = pictures.first else { throw ModelError.needsPicture }
        let fitted = try first.fitted(width: width, height: height, fit: pictures.fit)
        return GenerationInputs(givenFrames: try autoencoder.latent(of: fitted.signed, interrupt: interrupt))
    }
}
