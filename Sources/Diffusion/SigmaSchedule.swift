import Foundation

/// The noise levels that a sampler walks down, and what the network is told at each of them.
///
/// Rectified flow: x_sigma = (1 - sigma) x0 + sigma eps, sigma = 1 is pure noise. A schedule of n steps has n + 1
/// sigmas; the last is 0. Values are float32, computed in the precision in which diffusers 0.42 computes them
/// (noted at each rule), so that timesteps agree to the last bit and so does the choice of the expert.
package struct SigmaSchedule: Sendable, Equatable {
    /// One step of a sampler, from `sigma` to `nextSigma`.
    package struct Step: Sendable, Equatable {
        package let index: Int
        package let sigma: Float
        /// The time on the scale 0...1000. The network reads it, and routing compares it with the phase boundaries.
        package let timestep: Float
        package let nextSigma: Float
    }

    /// n + 1 strictly decreasing values, the first in (0, 1], the last 0.
    package let sigmas: [Float]
    /// n values in 0...1000.
    package let timesteps: [Float]
    /// What noise is multiplied with at the start.
    package let start: Float
    /// What the network's answer means.
    package let prediction: Prediction
    /// How each step makes the next latent, where that does not follow from the sigmas.
    package let mixes: [StepMix]?
    /// Steps of the whole schedule that lie before the first: where it is the rest of one.
    package let passed: Int

    /// The number of steps n.
    package var count: Int { timesteps.count }

    /// - Precondition: `index` is in `0..<count`.
    package subscript(index: Int) -> Step {
        Step(index: index, sigma: sigmas[index], timestep: timesteps[index], nextSigma: sigmas[index + 1])
    }

    package static let trainTimesteps: Float = 1000
    package static let maximumSteps = 1000

    /// - Parameters:
    ///   - sigmas: n + 1 values, the last one 0.
    ///   - timesteps: n values.
    ///   - start, prediction, mixes, passed: see the properties.
    /// - Throws: `DiffusionError.schedule` unless the sigmas decrease strictly from at most 1 to 0.
    package init(
        sigmas: [Float], timesteps: [Float], start: Float = 1, prediction: Prediction = .own, mixes: [StepMix]? = nil,
        passed: Int = 0
    ) throws {
        guard sigmas.count >= 2, timesteps.count == sigmas.count - 1 else {
            throw DiffusionError.schedule("\(sigmas.count) sigmas and \(timesteps.count) timesteps make no schedule")
        }
        guard sigmas[0] <= 1 else {
            throw DiffusionError.schedule("the first sigma is \(sigmas[0]); sigmas lie in (0, 1]")
        }
        for (index, (sigma, next)) in zip(sigmas, sigmas.dropFirst()).enumerated() {
            // `next < sigma` is false for NaN, so this also rejects whatever was not finite.
            guard next < sigma, next >= 0 else {
                throw DiffusionError.schedule(
                    "sigmas must decrease strictly to 0, but \(next) follows \(sigma) at position \(index + 1)")
            }
        }
        guard sigmas[sigmas.count - 1] == 0 else {
            throw DiffusionError.schedule("the last sigma is \(sigmas[sigmas.count - 1]) and must be 0")
        }
        guard timesteps.allSatisfy({ $0 >= 0 && $0 <= Self.trainTimesteps }) else {
            throw DiffusionError.schedule("timesteps lie in 0...1000, given \(timesteps)")
        }
        guard start > 0, start.isFinite, mixes?.count ?? timesteps.count == timesteps.count else {
            throw DiffusionError.schedule("a start of \(start) and \(mixes?.count ?? 0) mixes make no schedule")
        }
        guard (0..<Self.maximumSteps).contains(passed) else {
            throw DiffusionError.schedule("no schedule has \(passed) steps before these")
        }
        self.init(
            checked: sigmas, timesteps: timesteps, start: start, prediction: prediction, mixes: mixes, passed: passed)
    }

    /// The steps from the one whose sigma is nearest to `strength`, of two equally near ones the noisier: how a picture is
    /// changed by strength (1: the whole schedule).
    package func from(strength: Float) -> SigmaSchedule {
        let index = sigmas.indices.dropLast().min { abs(sigmas[$0] - strength) < abs(sigmas[$1] - strength) } ?? 0
        return SigmaSchedule(
            checked: Array(sigmas[index...]), timesteps: Array(timesteps[index...]), start: start,
            prediction: prediction, mixes: mixes.map { Array($0[index...]) }, passed: passed + index)
    }

    private init(
        checked sigmas: [Float], timesteps: [Float], start: Float, prediction: Prediction, mixes: [StepMix]?,
        passed: Int
    ) {
        self.sigmas = sigmas
        self.timesteps = timesteps
        self.start = start
        self.prediction = prediction
        self.mixes = mixes
        self.passed = passed
    }

    /// Given sigmas, without the final 0, used as they are; t = 1000 sigma.
    package init(explicit sigmas: [Float]) throws {
        try self.init(sigmas: sigmas + [0], timesteps: sigmas.map { $0 * Self.trainTimesteps })
    }
}

// MARK: - Rules

extension SigmaSchedule {
    /// The grid of the distilled few-step models: n values from 1 to 1/n, shifted once.
    ///
    /// sigma = s u / (1 + (s - 1) u); in float32, as FlowMatchEulerDiscrete treats explicit sigmas.
    package static func shifted(steps: Int, shift: Double) throws -> SigmaSchedule {
        try checkRange(steps: steps)
        return try SigmaSchedule(explicit: descending(steps).map { Self.shift(Float($0), by: shift) })
    }

    /// What diffusers' FlowMatchEulerDiscrete does by default with a static shift, as WanPipeline calls it: n values
    /// from 1 to shift(0.001), shifted a second time. Not the grid of distilled models.
    package static func flowMatchDefault(steps: Int, shift: Double) throws -> SigmaSchedule {
        try checkRange(steps: steps)
        // The range is float32 (it comes from a float32 table), the grid and its shift are float64.
        let last: Float = Self.shift(1 / trainTimesteps, by: shift)
        let grid = linspace(from: 1000, to: Double(last) * 1000, count: steps)
        return try SigmaSchedule(explicit: grid.map { Float(Self.shift($0 / 1000, by: shift)) })
    }

    /// n values from 1 to 1/n, shifted by e^mu where mu depends on the number of image tokens, then stretched so that
    /// the last sigma is `terminal`. In float32, as QwenImagePipeline and FlowMatchEulerDiscrete do it.
    package static func dynamic(steps: Int, tokens: Int, shift: DynamicShift) throws -> SigmaSchedule {
        try checkRange(steps: steps)
        var sigmas = exponential(steps: steps, mu: shift.mu(tokens: tokens))
        if let terminal = shift.terminal, let last = sigmas.last, last < 1 {
            let scale = (1 - last) / (1 - Float(terminal))
            sigmas = sigmas.map { 1 - (1 - $0) / scale }
        }
        return try SigmaSchedule(explicit: sigmas)
    }

    /// n values from 1 to 1/n, shifted by e^mu where mu depends on the number of image tokens and on n. In float32, as
    /// Flux2KleinPipeline and FlowMatchEulerDiscrete do it.
    package static func empirical(steps: Int, tokens: Int, shift: EmpiricalShift) throws -> SigmaSchedule {
        try checkRange(steps: steps)
        return try SigmaSchedule(explicit: exponential(steps: steps, mu: shift.mu(tokens: tokens, steps: steps)))
    }

    /// n values from 1 to 1/n, shifted by e^mu.
    private static func exponential(steps: Int, mu: Double) -> [Float] {
        let factor = Float(exp(mu))
        return descending(steps).map { factor / (factor + (1 / Float($0) - 1)) }
    }

    /// The flow schedule of diffusers 0.42's UniPCMultistep: the first n of n + 1 values from 1 to 0.001, shifted
    /// once, in float64; integer timesteps. The first sigma is kept off 1, where log SNR is -inf.
    package static func uniPCFlow(steps: Int, shift: Double) throws -> SigmaSchedule {
        try checkRange(steps: steps)
        var sigmas = linspace(from: 1, to: 0.001, count: steps + 1).dropLast().map { Self.shift($0, by: shift) }
        let margin = 1e-6
        if abs(sigmas[0] - 1) < margin { sigmas[0] -= margin }
        return try SigmaSchedule(
            sigmas: sigmas.map { Float($0) } + [0], timesteps: sigmas.map { Float(($0 * 1000).rounded(.towardZero)) })
    }

    /// The flow schedule of diffusers 0.42's DPMSolverMultistep: n values from 0.999 down in even steps that would end at 0,
    /// shifted once, in float64; integer timesteps.
    package static func dpmFlow(steps: Int, shift: Double) throws -> SigmaSchedule {
        try checkRange(steps: steps)
        let signal = linspace(from: 1, to: 0.001, count: steps + 1)
        let sigmas = signal.dropFirst().reversed().map { Self.shift(1 - $0, by: shift) }
        return try SigmaSchedule(
            sigmas: sigmas.map { Float($0) } + [0], timesteps: sigmas.map { Float(($0 * 1000).rounded(.towardZero)) })
    }

    /// The grid of students that were distilled on times as they stand: each time with the sigma of the nearest time in the
    /// table of 1000 shifted sigmas, so that 1000 sigma is nearly the time. Reference: the published inference of FastWan and
    /// Wan2.2-TI2V-5B-Turbo.
    package static func nearest(timesteps: [Float], shift: Double) throws -> SigmaSchedule {
        let table = table(shift: shift)
        let sigmas = timesteps.map { time in
            table.min { abs($0 * 1000 - Double(time)) < abs($1 * 1000 - Double(time)) } ?? 0
        }
        return try SigmaSchedule(sigmas: sigmas.map { Float($0) } + [0], timesteps: timesteps)
    }

    /// The sigmas k / 1000, k = 1000 ... 1, shifted once, in float64.
    package static func table(shift: Double) -> [Double] {
        (1...1000).reversed().map { Self.shift(Double($0) / 1000, by: shift) }
    }

    static func checkRange(steps: Int) throws {
        guard (1...maximumSteps).contains(steps) else {
            throw DiffusionError.steps("num_inference_steps is \(steps); it must be 1...\(maximumSteps)")
        }
    }

    /// Computed in the type of `sigma`. Pure noise stays pure noise: rounding must not take it above 1.
    private static func shift<Real: BinaryFloatingPoint>(_ sigma: Real, by shift: Double) -> Real {
        sigma == 1 ? 1 : Real(shift) * sigma / (1 + Real(shift - 1) * sigma)
    }

    private static func descending(_ count: Int) -> [Double] {
        linspace(from: 1, to: 1 / Double(count), count: count)
    }

    /// numpy's linspace: the last value is exact, the others are start + i * step in float64.
    static func linspace(from start: Double, to stop: Double, count: Int) -> [Double] {
        guard count > 1 else { return [start] }
        let step = (stop - start) / Double(count - 1)
        return (0..<count).map { $0 == count - 1 ? stop : Double($0) * step + start }
    }
}

/// The resolution-dependent time shift: mu is linear in the number of image tokens.
package struct DynamicShift: Sendable, Equatable {
    package var baseShift: Double
    package var maximumShift: Double
    package var baseTokens: Int
    package var maximumTokens: Int
    /// The sigma of the last step, if the schedule is stretched to it.
    package var terminal: Double?

    package init(baseShift: Double, maximumShift: Double, baseTokens: Int, maximumTokens: Int, terminal: Double?) {
        self.baseShift = baseShift
        self.maximumShift = maximumShift
        self.baseTokens = baseTokens
        self.maximumTokens = maximumTokens
        self.terminal = terminal
    }

    /// Extrapolates outside the two sizes, as diffusers does.
    package func mu(tokens: Int) -> Double {
        let slope = (maximumShift - baseShift) / Double(maximumTokens - baseTokens)
        return Double(tokens) * slope + (baseShift - slope * Double(baseTokens))
    }
}

/// A time shift that was fitted to sizes and numbers of steps: mu is one line in the number of image tokens at few steps,
/// another at many, and between and beyond the two linear in the number of steps. Large pictures have the second line always.
///
/// Reference: `compute_empirical_mu` in diffusers' pipeline_flux2_klein.py.
package struct EmpiricalShift: Sendable, Equatable {
    package struct Line: Sendable, Equatable {
        package let steps: Int
        package let slope: Double
        package let intercept: Double

        package init(steps: Int, slope: Double, intercept: Double) {
            self.steps = steps
            self.slope = slope
            self.intercept = intercept
        }

        func mu(tokens: Int) -> Double { slope * Double(tokens) + intercept }
    }

    package let few: Line
    package let many: Line
    /// Pictures of more tokens are large.
    package let large: Int

    package init(few: Line, many: Line, large: Int) {
        self.few = few
        self.many = many
        self.large = large
    }

    package func mu(tokens: Int, steps: Int) -> Double {
        let (low, high) = (few.mu(tokens: tokens), many.mu(tokens: tokens))
        guard tokens <= large else { return high }
        let slope = (high - low) / Double(many.steps - few.steps)
        return slope * Double(steps) + high - Double(many.steps) * slope
    }
}

extension SigmaSchedule: Codable {
    private enum CodingKeys: String, CodingKey { case sigmas, timesteps, start, prediction, mixes, passed }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            sigmas: values.decode([Float].self, forKey: .sigmas),
            timesteps: values.decode([Float].self, forKey: .timesteps),
            start: values.decodeIfPresent(Float.self, forKey: .start) ?? 1,
            prediction: values.decodeIfPresent(Prediction.self, forKey: .prediction) ?? .own,
            mixes: values.decodeIfPresent([StepMix].self, forKey: .mixes),
            passed: values.decodeIfPresent(Int.self, forKey: .passed) ?? 0)
    }
}
