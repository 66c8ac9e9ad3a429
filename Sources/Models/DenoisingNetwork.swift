import Diffusion
import Tensor

/// A denoising network (one expert's weights) as a pipeline holds it.
package protocol DenoisingNetwork: Sendable {
    /// Channels of the latents that are diffused.
    var channels: Int { get }
    /// Values in the rows of text that the network reads.
    var textWidth: Int { get }
    /// Frames, rows and columns of the latent in one token.
    var patch: [Int] { get }

    /// The velocity ~ eps - x0, of the shape `[B, C, F, H, W]` of the evaluation's latents.
    ///
    /// - Parameters:
    ///   - key: stands for the expert and the LoRA files on it; conditionings keep under the key what was made of them.
    ///   - interrupt: called before each block; throwing from it ends the evaluation.
    func velocity(
        _ evaluation: Evaluation<Conditioning>, key: String, interrupt: () throws -> Void
    ) throws -> Tensor

    /// Floating-point operations of the large products and the attention of one evaluation of one row, two for each
    /// multiply-add.
    /// - Parameters:
    ///   - latent: `[C, F, H, W]`
    ///   - textRows: rows of the prompt, and tokens of reference pictures, which the networks that read any attend to alike.
    func operations(latent: [Int], textRows: Int) -> Double
}
