import Foundation
import Tensor

/// UniPC of order 2 with B(h) = expm1(-h) ("bh2") and corrector, predicting x0; Zhao et al., arXiv 2302.04867.
///
/// lambda = log alpha - log sigma with alpha = 1 - sigma. At every step but the first the sample is corrected with the
/// x0 estimate just made at it, then the next sample is predicted. Both are finite at sigma = 0, where lambda is +inf.
struct UniPC: Sendable {
    /// x0 estimates of the steps before this one, newest first, at most two.
    private(set) var estimates: [Tensor] = []
    /// The corrected sample that the last predictor started from; nil before the first step.
    private(set) var previous: Tensor?

    init() {}

    /// State after `index` steps, as it was stored. Nil if it cannot be that.
    init?(estimates: [Tensor], previous: Tensor?, index: Int) {
        guard estimates.count == min(index, 2), (previous == nil) == (index == 0) else { return nil }
        self.estimates = estimates
        self.previous = previous
    }

    /// - Parameter corrects: without the corrector this is DPM-Solver++ 2M (midpoint), Lu et al., arXiv 2211.01095.
    /// - Returns: the next sample and the x0 estimate at this one.
    mutating func step(
        _ sample: Tensor, velocity: Tensor, at index: Int, of schedule: SigmaSchedule, corrects: Bool = true
    ) -> (next: Tensor, x0: Tensor) {
        let sigma = schedule.sigmas[index]
        let estimate = elementwise(sample, velocity) { x, v in x - sigma * v }
        var corrected = sample
        if corrects, let previous, let last = estimates.first {
            corrected = correct(
                from: previous, last: last, older: estimates.dropFirst().first, new: estimate, at: index, of: schedule)
        }
        let older = order(at: index, of: schedule) == 2 ? estimates.first : nil
        let next = predict(from: corrected, estimate: estimate, older: older, at: index, of: schedule)
        previous = corrected
        estimates = [estimate] + estimates.prefix(1)
        return (next, estimate)
    }

    /// Order 1 where there is no history yet, and at the last step, which goes to sigma = 0.
    private func order(at index: Int, of schedule: SigmaSchedule) -> Int {
        min(2, schedule.count - index, index + 1)
    }

    /// Predicts the latent at sigma[index + 1] from that at sigma[index], with the x0 estimates m at the former and,
    /// for order 2, `older` before it.
    private func predict(
        from sample: Tensor, estimate m: Tensor, older: Tensor?, at index: Int, of schedule: SigmaSchedule
    ) -> Tensor {
        let interval = Interval(schedule, from: index)
        let (decay, gain) = (interval.decay, interval.gain)
        guard let older else {
            return elementwise(sample, m) { x, m in decay * x - gain * m }
        }
        let ratio = Float(interval.ratio(toStep: index - 1, of: schedule))
        return elementwise(sample, m, older) { x, m, older in
            decay * x - gain * m - gain * (0.5 * ((older - m) / ratio))
        }
    }

    /// Goes from sigma[index - 1] to sigma[index] once more, now that x0 is known at its end (`new`). The order is that
    /// of the predictor on the interval.
    private func correct(
        from sample: Tensor, last m: Tensor, older: Tensor?, new: Tensor, at index: Int, of schedule: SigmaSchedule
    ) -> Tensor {
        let interval = Interval(schedule, from: index - 1)
        let (decay, gain) = (interval.decay, interval.gain)
        guard order(at: index - 1, of: schedule) == 2, let older else {
            let base = elementwise(sample, m) { x, m in decay * x - gain * m }
            return elementwise(base, m, new) { base, m, new in base - gain * (0.5 * (new - m)) }
        }
        let r = interval.ratio(toStep: index - 2, of: schedule)
        // [[1, 1], [r, 1]] rho = b
        let (b1, b2) = interval.momentsOfPhi
        let rho = Float((b1 - b2) / (1 - r))
        let rhoNew = Float(b1 - (b1 - b2) / (1 - r))
        let ratio = Float(r)
        let base = elementwise(sample, m, older) { x, m, older in
            decay * x - gain * m - gain * (rho * ((older - m) / ratio))
        }
        return elementwise(base, m, new) { base, m, new in base - gain * (rhoNew * (new - m)) }
    }

    /// The coefficients of one interval of the schedule, in float64.
    private struct Interval {
        private let lambda: Double
        private let h: Double
        private let phi: Double
        /// sigma_t / sigma_s
        let decay: Float
        /// alpha_t phi, with phi = expm1(-h) = B(h); -1 at the end of the schedule.
        let gain: Float

        init(_ schedule: SigmaSchedule, from index: Int) {
            let (source, target) = (Double(schedule.sigmas[index]), Double(schedule.sigmas[index + 1]))
            lambda = Self.lambda(source)
            h = Self.lambda(target) - lambda
            phi = expm1(-h)
            decay = Float(target / source)
            gain = Float((1 - target) * phi)
        }

        private static func lambda(_ sigma: Double) -> Double { SNR.log(sigma: sigma) / 2 }

        /// Where an earlier step lies, in units of this interval from its start: negative.
        func ratio(toStep index: Int, of schedule: SigmaSchedule) -> Double {
            (Self.lambda(Double(schedule.sigmas[index])) - lambda) / h
        }

        /// b1 and b2 of SPEC: k! phi_k+1 / B with phi_2 = phi / hh - 1, phi_3 = phi_2 / hh - 1/2, hh = -h.
        var momentsOfPhi: (Double, Double) {
            let hh = -h
            let second = phi / hh - 1
            let third = second / hh - 0.5
            return (second / phi, third * 2 / phi)
        }
    }
}
