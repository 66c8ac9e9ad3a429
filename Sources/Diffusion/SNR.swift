import Foundation

/// Signal-to-noise ratio of rectified flow: SNR(sigma) = (1 - sigma)^2 / sigma^2.
package enum SNR {
    /// 0 at sigma = 1, +inf at sigma = 0.
    package static func ratio(sigma: Double) -> Double {
        let amplitude = (1 - sigma) / sigma
        return amplitude * amplitude
    }

    /// Natural logarithm of the ratio. Half of it is the lambda = log alpha - log sigma of the multistep solvers.
    package static func log(sigma: Double) -> Double {
        2 * (Foundation.log(1 - sigma) - Foundation.log(sigma))
    }

    package static func sigma(ratio: Double) -> Double {
        1 / (1 + ratio.squareRoot())
    }
}

extension Phase {
    /// The SNR interval that the phase owns: from its upper sigma to its lower one, which may be +inf.
    package var snr: ClosedRange<Double> { SNR.ratio(sigma: upper)...SNR.ratio(sigma: lower) }
}
