import Tensor

/// Translates between pixels and the latents that are diffused.
package protocol Autoencoder: Sendable {
    /// Channels of a latent, before a family packs cells into channels.
    var channels: Int { get }
    /// Pixels along a side of one latent cell.
    var spatialFactor: Int { get }
    /// Frames in a latent frame after the first; 1 for an autoencoder of pictures.
    var temporalFactor: Int { get }
    /// Whether `latent` encodes anything: some files hold a decoder alone.
    var hasEncoder: Bool { get }

    /// Decodes a latent `[C, F, H, W]` of the diffusion's scale and hands on frames `[T, H', W', 3]` in [-1, 1] (not
    /// clamped) as they are ready.
    ///
    /// - Parameter interrupt: called now and then; throwing from it ends the decoding.
    func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws

    /// The latent `[C, F, H, W]`, of the diffusion's scale, of frames `[T, H', W', 3]` in [-1, 1]: the mean of the
    /// encoder's distribution, nothing drawn.
    ///
    /// - Parameter interrupt: called now and then; throwing from it ends the encoding.
    func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor
}

extension Autoencoder {
    package var hasEncoder: Bool { true }
}
