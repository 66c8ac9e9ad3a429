import Tensor

/// A step rule together with what it remembers between steps. A value: two copies go on independently.
struct Sampler: Sendable {
    let kind: SamplerKind
    private(set) var uniPC: UniPC
    /// The re-noise rule draws from the streams of this seed.
    private let seed: UInt64
    /// Noise in place of the seed's, one for each step but the last.
    private let given: [Tensor]

    init(_ kind: SamplerKind, seed: UInt64, uniPC: UniPC = UniPC(), given: [Tensor] = []) {
        self.kind = kind
        self.seed = seed
        self.given = given
        self.uniPC = uniPC
    }

    /// One step from sigma[index] to sigma[index + 1].
    /// - Parameter velocity: of the shape of `latent`.
    /// - Returns: the next latent and the estimate of x0 = x - sigma v, the picture as it looks from here.
    mutating func step(
        _ latent: Tensor, velocity: Tensor, at index: Int, of schedule: SigmaSchedule
    ) -> (next: Tensor, x0: Tensor) {
        let step = schedule[index]
        switch kind {
        case .euler:
            let distance = step.nextSigma - step.sigma
            return (
                elementwise(latent, velocity) { x, v in x + distance * v },
                elementwise(latent, velocity) { x, v in x - step.sigma * v }
            )
        case .renoise:
            let x0 = elementwise(latent, velocity) { x, v in x - step.sigma * v }
            guard step.nextSigma > 0 else { return (x0, x0) }
            let noise =
                given.indices.contains(index)
                ? given[index]
                : GaussianNoise(seed: seed, purpose: .renoise(step: UInt32(index))).tensor(shape: latent.shape)
            let sigma = step.nextSigma
            return (elementwise(x0, noise) { x0, noise in (1 - sigma) * x0 + sigma * noise }, x0)
        case .uniPC:
            return uniPC.step(latent, velocity: velocity, at: index, of: schedule)
        }
    }
}
