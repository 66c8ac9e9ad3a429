import Foundation
import Tensor

/// What a network's answer means where it is no velocity.
package enum Prediction: String, Sendable, Codable, CaseIterable {
    /// What networks of its family give unless a generator says otherwise.
    case own
    /// x0 itself (SDXL-Lightning in one step).
    case sample
    /// x0 by the family's own prediction, held to the latent near t = 0: c_out x0 + c_skip x with s = 10 t,
    /// c_skip = 0.25 / (s^2 + 0.25), c_out = s / sqrt(s^2 + 0.25) (latent consistency models, arXiv 2310.04378).
    case consistency
}

/// The noise levels of Stable Diffusion and SDXL: 1000 times t, each with a signal sqrt(a_t) x0 + sqrt(1 - a_t) eps whose
/// variance stays 1, and their place in the flow that everything else here walks along.
///
/// With r = sqrt((1 - a_t) / a_t) the flow's sigma is r / (1 + r): the latent of the flow is the network's times
/// sqrt(1 + r^2) / (1 + r). Reference: the tables of diffusers' schedulers with `scaled_linear` betas, in float32.
package enum DiscreteNoise {
    package static let times = 1000

    /// a_t, the cumulative product of 1 - beta; betas are squares of 1000 even steps from sqrt(0.00085) to sqrt(0.012).
    package static let alphas: [Float] = {
        let (first, last) = (Float(0.00085.squareRoot()), Float(0.012.squareRoot()))
        var product = 1.0
        return (0..<times).map { t in
            let root = first + Float(t) * ((last - first) / Float(times - 1))
            product *= Double(1 - root * root)
            return Float(product)
        }
    }()

    /// Noise per signal, sqrt((1 - a_t) / a_t).
    package static func ratio(_ t: Int) -> Double {
        let alpha = Double(alphas[min(max(t, 0), times - 1)])
        return ((1 - alpha) / alpha).squareRoot()
    }

    /// sqrt(1 + r^2) / (1 + r): the flow's latent per latent of variance 1.
    static func flowFactor(_ ratio: Double) -> Double { (1 + ratio * ratio).squareRoot() / (1 + ratio) }

    /// The flow's sigma of a time.
    static func sigma(_ t: Int) -> Float { Float(ratio(t) / (1 + ratio(t))) }

    /// The latent that the network is given, of variance 1, from the flow's.
    package static func input(_ latent: Tensor, timestep: Float) -> Tensor {
        let factor = Float(1 / flowFactor(ratio(Int(timestep))))
        return elementwise(latent, latent) { x, _ in x * factor }
    }

    /// The velocity eps - x0 in the flow, from what a network that predicts eps gave.
    /// - Parameters:
    ///   - output: eps, or x0 where `prediction` is `sample`.
    ///   - latent: the flow's, of the shape of `output`.
    package static func velocity(
        of output: Tensor, latent: Tensor, timestep: Float, prediction: Prediction
    ) -> Tensor {
        let t = Int(timestep)
        let (ratio, sigma) = (Float(ratio(t)), sigma(t))
        switch prediction {
        case .own: return elementwise(latent, output) { x, eps in eps - (x * (1 + ratio) - ratio * eps) }
        case .sample: return elementwise(latent, output) { x, clean in (x - clean) / sigma }
        case .consistency:
            let scaled = 10 * timestep
            let skip = 0.25 / (scaled * scaled + 0.25)
            let out = scaled / (scaled * scaled + 0.25).squareRoot()
            let factor = Float(1 / flowFactor(self.ratio(t)))
            return elementwise(latent, output) { x, eps in
                let clean = out * (x * (1 + ratio) - ratio * eps) + skip * (x * factor)
                return (x - clean) / sigma
            }
        }
    }
}

/// How a step makes the next latent: clean x0 + noise eps + fresh n, with the estimates at this step and n new noise.
package struct StepMix: Sendable, Equatable, Codable {
    package let clean, noise, fresh: Float

    package init(clean: Float, noise: Float, fresh: Float) {
        self.clean = clean
        self.noise = noise
        self.fresh = fresh
    }

    init(clean: Double, noise: Double, fresh: Double) {
        self.init(clean: Float(clean), noise: Float(noise), fresh: Float(fresh))
    }
}

/// A grid on the 1000 times of `DiscreteNoise`.
package struct DiscreteGrid: Sendable, Equatable {
    /// Which of the times.
    package enum Times: Sendable, Equatable {
        /// The times for which a student was distilled; the student takes no other number of steps.
        case fixed([Int])
        /// round(1000 - 1000 k / n) - 1
        case trailing
        /// floor(1000 / n) k + 1, from the last k down
        case leading
        /// n of the 50 times 999, 979, ..., 19 (LCM, TCD)
        case consistency
    }

    package let times: Times
    /// The number of steps where a request names none.
    package let steps: Int
    package let prediction: Prediction
    /// How much of the noise is fresh at each step of TCD: from 0, none, to 1.
    package let eta: Float

    package init(_ times: Times, steps: Int = 1, prediction: Prediction = .own, eta: Float = 0) {
        self.times = times
        self.steps = if case .fixed(let list) = times { list.count } else { steps }
        self.prediction = prediction
        self.eta = eta
    }

    /// Whether its number of steps is the only one.
    package var isFixed: Bool { if case .fixed = times { true } else { false } }

    /// - Throws: `DiffusionError.steps` for a number of steps that is not possible.
    package func schedule(_ sampler: SamplerKind, steps: Int?) throws -> SigmaSchedule {
        let list = try list(steps ?? self.steps)
        return try SigmaSchedule(
            sigmas: list.map(DiscreteNoise.sigma) + [0], timesteps: list.map { Float($0) }, start: start(sampler, list),
            prediction: prediction, mixes: mixes(sampler, list))
    }

    private func list(_ count: Int) throws -> [Int] {
        let most = times == .consistency ? 50 : DiscreteNoise.times
        guard 1...most ~= count else {
            throw DiffusionError.steps("num_inference_steps is \(count); it must be 1...\(most)")
        }
        switch times {
        case .fixed(let list):
            guard count == list.count else {
                throw DiffusionError.steps(
                    "num_inference_steps is \(count), but this generator was distilled for exactly \(list.count) steps, "
                        + "times \(list)")
            }
            return list
        case .trailing:
            let stride = Double(DiscreteNoise.times) / Double(count)
            return (0..<count).map {
                Int((Double(DiscreteNoise.times) - Double($0) * stride).rounded(.toNearestOrEven)) - 1
            }
        case .leading: return (0..<count).reversed().map { min($0 * (DiscreteNoise.times / count) + 1, 999) }
        case .consistency: return (0..<count).map { 999 - 20 * (50 * $0 / count) }
        }
    }

    /// What noise is multiplied with at the first time. Euler's rules on trailing times take noise alone for the latent, all
    /// others a latent of variance 1.
    private func start(_ sampler: SamplerKind, _ list: [Int]) -> Float {
        let ratio = DiscreteNoise.ratio(list[0])
        let isNoiseAlone = (sampler == .euler || sampler == .ancestral) && times == .trailing
        return Float(isNoiseAlone ? ratio / (1 + ratio) : DiscreteNoise.flowFactor(ratio))
    }

    /// nil for rules whose steps follow from the sigmas.
    private func mixes(_ sampler: SamplerKind, _ list: [Int]) -> [StepMix]? {
        switch sampler {
        case .euler, .renoise, .uniPC, .dpm: nil
        case .ancestral: list.indices.map { ancestral(list, $0) }
        case .ddim: list.indices.map { ddim(list, $0) }
        case .tcd: list.indices.map { tcd(list, $0) }
        }
    }

    /// Down to r'^2 / r, then up to r' with fresh noise.
    private func ancestral(_ list: [Int], _ index: Int) -> StepMix {
        let ratio = DiscreteNoise.ratio(list[index])
        let next = index + 1 < list.count ? DiscreteNoise.ratio(list[index + 1]) : 0
        let (down, scale) = (next * next / ratio, 1 / (1 + next))
        return StepMix(
            clean: scale, noise: scale * down, fresh: scale * max(next * next - down * down, 0).squareRoot())
    }

    /// Down by 1000 / n times; the last step goes to time 0, not to a latent without noise.
    private func ddim(_ list: [Int], _ index: Int) -> StepMix {
        let target = DiscreteNoise.ratio(list[index] - DiscreteNoise.times / list.count)
        let variance = 1 / (1 + target * target).squareRoot()
        let scale = index + 1 < list.count ? DiscreteNoise.flowFactor(DiscreteNoise.ratio(list[index + 1])) : 1
        return StepMix(clean: scale * variance, noise: scale * variance * target, fresh: 0)
    }

    /// Down to time floor((1 - eta) t'), then up to t' with fresh noise (arXiv 2402.19159).
    private func tcd(_ list: [Int], _ index: Int) -> StepMix {
        let next = index + 1 < list.count ? list[index + 1] : 0
        let low = DiscreteNoise.ratio(Int((1 - eta) * Float(next)))
        guard index + 1 < list.count else {
            let variance = 1 / (1 + low * low).squareRoot()
            return StepMix(clean: variance, noise: variance * low, fresh: 0)
        }
        let high = DiscreteNoise.ratio(next)
        let scale = 1 / (1 + high)
        return StepMix(clean: scale, noise: scale * low, fresh: scale * max(high * high - low * low, 0).squareRoot())
    }
}
