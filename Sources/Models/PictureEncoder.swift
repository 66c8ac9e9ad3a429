import Diffusion
import Pictures
import Tensor

/// The picture side of a model whose network reads pictures: what was given becomes inputs of the network.
package protocol PictureEncoder: Sendable {
    /// Encodes pictures for a result of these sides.
    ///
    /// - Parameters:
    ///   - pictures: what `FamilyTraits.pictures` allows.
    ///   - width: of the result, in pixels; likewise `height`.
    ///   - frames: of the result; 1 for a picture.
    ///   - interrupt: called now and then; throwing from it ends the encoding.
    func inputs(
        of pictures: GivenPictures, width: Int, height: Int, frames: Int, interrupt: () throws -> Void
    ) throws -> GenerationInputs
}

extension RGBImage {
    /// The samples as autoencoders read them: `[1, H, W, 3]` in [-1, 1], 2 x / 255 - 1.
    package var signed: Tensor {
        Tensor(shape: [1, height, width, 3]) { out in
            for index in out.indices { out[index] = Float(bytes[index]) / 255 * 2 - 1 }
        }
    }
}
