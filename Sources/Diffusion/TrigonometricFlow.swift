import Foundation

/// The flow x_t = cos t x0 + sin t eps on times from pi / 2 (noise) to 0 (TrigFlow, arXiv 2410.11081), and its place in the flow
/// that everything else here walks along.
///
/// x_t / (cos t + sin t) is the rectified flow's latent at sigma = sin t / (cos t + sin t): the latent that SANA-Sprint's network is
/// given, whose answer is that flow's velocity. What the network's pipeline does around it (scaling by the deviation of the data,
/// converting inputs and outputs, x0 = cos t x - sin t v, x' = cos t' x0 + sin t' eps) comes down to the re-noise rule. Reference:
/// `SCMScheduler` and `SanaSprintPipeline` in diffusers.
package enum TrigonometricFlow {
    /// The rectified flow's sigma of a time, in float32.
    package static func sigma(_ time: Float) -> Float { sinf(time) / (cosf(time) + sinf(time)) }

    /// The rectified flow's latent per x_t.
    package static func factor(_ time: Float) -> Float { 1 / (cosf(time) + sinf(time)) }

    /// Which times are walked.
    package struct Times: Sendable, Equatable {
        /// The number of steps where none is asked for.
        package let steps: Int
        package let maximum: Double
        /// The second of two times; nil for one that is evenly between.
        package let intermediate: Double?
        /// The times that a student was trained on, without the final 0; nil for those that the others tell.
        private let own: [Double]?

        package init(steps: Int = 2, maximum: Double = 1.5708, intermediate: Double? = 1.3) {
            self.steps = steps
            self.maximum = maximum
            self.intermediate = intermediate
            own = nil
        }

        /// Times of a student's own: fewer steps take the first of them, as NVIDIA's rCM does.
        /// - Throws: `DiffusionError.steps` unless they fall from at most pi / 2 and stay above 0.
        package init(_ times: [Double]) throws {
            let falls = zip(times, times.dropFirst()).allSatisfy { $0 > $1 }
            guard let first = times.first, let last = times.last, falls, first <= .pi / 2, last > 0 else {
                throw DiffusionError.steps("times of a trigonometric flow fall from at most pi / 2 and stay above 0")
            }
            steps = times.count
            maximum = first
            intermediate = nil
            own = times
        }

        /// n + 1 times, the last one 0.
        package func list(_ count: Int) -> [Float] {
            if let own { return own.prefix(count).map { Float($0) } + [0] }
            if count == 2, let intermediate { return [Float(maximum), Float(intermediate), 0] }
            return SigmaSchedule.linspace(from: maximum, to: 0, count: count + 1).map { Float($0) }
        }

        /// The time of pi / 2 is given with four decimals, which is above it: there sigma counts as 1.
        /// - Throws: `DiffusionError.steps` for a number of steps that is not possible.
        package func schedule(steps: Int) throws -> SigmaSchedule {
            try SigmaSchedule.checkRange(steps: steps)
            guard own == nil || steps <= self.steps else {
                throw DiffusionError.steps(
                    "num_inference_steps is \(steps), but this generator has \(self.steps) times, and can leave out the last"
                )
            }
            let times = list(steps)
            let sigmas = times.dropLast().map { min(TrigonometricFlow.sigma($0), 1) }
            return try SigmaSchedule(
                sigmas: sigmas + [0], timesteps: sigmas.map { $0 * SigmaSchedule.trainTimesteps },
                start: sigmas.first == 1 ? 1 : TrigonometricFlow.factor(times[0]))
        }
    }
}
