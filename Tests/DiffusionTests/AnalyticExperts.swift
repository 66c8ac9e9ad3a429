import Diffusion
import Foundation
import Synchronization
import Tensor

/// Experts whose velocity is known in closed form, element by element.
struct ElementwiseExpert: VelocityModel {
    /// v from x, timestep and a conditioning number.
    let velocity: @Sendable (Float, Float, Float) -> Float

    func velocity(_ evaluation: Evaluation<Tensor>) throws -> Tensor {
        let (latents, timesteps) = (evaluation.latents, evaluation.timesteps)
        let conditionings = evaluation.conditionings
        let row = latents.count / latents.shape[0]
        var result: [Float] = []
        for (index, (timestep, conditioning)) in zip(timesteps, conditionings).enumerated() {
            let values = latents[index].array
            let numbers = conditioning.array
            result += (0..<row).map { velocity(values[$0], timestep, numbers[$0 % numbers.count]) }
        }
        return Tensor(result, shape: latents.shape)
    }

    /// The toy of the fixtures: tanh(x w + t / 1000).
    static let toy = ElementwiseExpert { x, timestep, w in tanh(x * w + timestep / 1000) }

    /// x0 ~ N(1.5, 0.4^2). x_t is normal with mean (1 - t) m and variance (1 - t)^2 s^2 + t^2, and the probability flow
    /// keeps the standard score, so x0 = m + s x_1.
    static let gaussian = ElementwiseExpert { x, timestep, _ in
        let (m, s, t) = (1.5, 0.4, Double(timestep) / 1000)
        let variance = (1 - t) * (1 - t) * s * s + t * t
        let residual = Double(x) - (1 - t) * m
        return Float(t / variance * residual - (m + (1 - t) * s * s / variance * residual))
    }

    /// The same flow as a perfect distilled student sees it: x0 where the flow from x ends; v = (x - x0) / t.
    static let gaussianStudent = ElementwiseExpert { x, timestep, _ in
        let (m, s, t) = (1.5, 0.4, Double(timestep) / 1000)
        let score = (Double(x) - (1 - t) * m) / ((1 - t) * (1 - t) * s * s + t * t).squareRoot()
        return Float((Double(x) - (m + s * score)) / t)
    }

    /// E[eps - x0 | x_t] for x0 of a mixture of normals.
    static func mixture(_ modes: [(weight: Double, mean: Double, deviation: Double)]) -> ElementwiseExpert {
        ElementwiseExpert { x, timestep, _ in
            let (x, t) = (Double(x), Double(timestep) / 1000)
            var mass = 0.0
            var sum = 0.0
            for (weight, mean, deviation) in modes {
                let variance = (1 - t) * (1 - t) * deviation * deviation + t * t
                let residual = x - (1 - t) * mean
                let density = weight / variance.squareRoot() * exp(-0.5 * residual * residual / variance)
                mass += density
                sum += density * (mean + (1 - t) * deviation * deviation / variance * residual)
            }
            return Float((x - sum / mass) / t)
        }
    }
}

/// Notes what it was asked, and may fail.
final class RecordingExpert: VelocityModel {
    struct Cancelled: Error {}

    private let base: ElementwiseExpert
    private let failing: Bool
    private let notes = Mutex<(timesteps: [[Float]], velocities: [Tensor])>(([], []))

    init(_ base: ElementwiseExpert, failing: Bool = false) {
        self.base = base
        self.failing = failing
    }

    func velocity(_ evaluation: Evaluation<Tensor>) throws -> Tensor {
        if failing { throw Cancelled() }
        let result = try base.velocity(evaluation)
        notes.withLock {
            $0.timesteps.append(evaluation.timesteps)
            $0.velocities.append(result)
        }
        return result
    }

    /// The timesteps of every evaluation.
    var timesteps: [[Float]] { notes.withLock { $0.timesteps } }
    var velocities: [Tensor] { notes.withLock { $0.velocities } }
}

extension GeneratorSpec {
    /// One expert, no guidance: for tests of samplers.
    static func single(_ sampler: SamplerKind, shift: Double = 3) throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "test", sampler: sampler,
            grid: sampler == .uniPC
                ? .uniPCFlow(steps: 8, shift: shift)
                : sampler == .dpm ? .dpmFlow(steps: 8, shift: shift) : .shifted(steps: 8, shift: shift),
            plan: PhasePlan(expert: "transformer", guidanceScale: 1))
    }
}

extension Generation {
    /// From a given latent, or from the noise of `seed` in `latentShape`.
    static func unguided(
        _ generator: GeneratorSpec, _ schedule: SigmaSchedule, seed: UInt64 = 0, latent: Tensor? = nil,
        latentShape: [Int] = [6]
    ) throws -> Generation {
        let guidance = try Guidance(rule: .classifierFree, plan: generator.plan)
        guard let latent else {
            return try Generation(
                seed: seed, latentShape: latentShape, generator: generator, schedule: schedule, guidance: guidance)
        }
        return try Generation(
            seed: seed, latent: latent, generator: generator, schedule: schedule, guidance: guidance)
    }

    mutating func finish<Expert: VelocityModel>(_ expert: Expert, _ conditioning: Expert.Conditioning) throws {
        while !isFinished { try step(using: expert, Prompted(positive: conditioning)) }
    }
}
