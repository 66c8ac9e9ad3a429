import Tensor

/// A step rule together with what it remembers between steps. A value: two copies go on independently.
struct Sampler: Sendable {
    let kind: SamplerKind
    private(set) var uniPC: UniPC
    /// Fresh noise comes from the streams of this seed.
    private let seed: UInt64
    /// Noise in place of the seed's, one for each step.
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
            let noise = fresh(index, latent.shape)
            let sigma = step.nextSigma
            return (elementwise(x0, noise) { x0, noise in (1 - sigma) * x0 + sigma * noise }, x0)
        case .uniPC, .dpm:
            return uniPC.step(latent, velocity: velocity, at: index, of: schedule, corrects: kind == .uniPC)
        case .ancestral, .ddim, .tcd:
            let mix =
                schedule.mixes?[index] ?? StepMix(clean: 1 - step.nextSigma, noise: step.nextSigma, fresh: Float(0))
            let x0 = elementwise(latent, velocity) { x, v in x - step.sigma * v }
            let kept = elementwise(latent, velocity) { x, v in
                mix.clean * (x - step.sigma * v) + mix.noise * (x + (1 - step.sigma) * v)
            }
            guard mix.fresh != 0 else { return (kept, x0) }
            return (elementwise(kept, fresh(index, latent.shape)) { x, noise in x + mix.fresh * noise }, x0)
        }
    }

    private func fresh(_ index: Int, _ shape: [Int]) -> Tensor {
        given.indices.contains(index)
            ? given[index] : GaussianNoise(seed: seed, purpose: .renoise(step: UInt32(index))).tensor(shape: shape)
    }
}
