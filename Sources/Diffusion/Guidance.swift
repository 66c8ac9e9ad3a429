import Tensor

/// How the velocities with and without the prompt become one, and how strongly in each phase.
package struct Guidance: Sendable, Equatable, Codable {
    package enum Rule: String, Sendable, Codable {
        /// uncond + g (cond - uncond)
        case classifierFree
        /// Qwen-Image's true CFG: as above, then every token gets back the norm that `cond` had.
        case normPreserving
    }

    package let rule: Rule
    /// One per phase of the plan, from high noise to low noise. In a phase whose scale is at most 1 guidance is off:
    /// only `cond` is evaluated.
    package let scales: [Float]

    /// The scales of the plan, or those of a request.
    ///
    /// `guidanceScale` is for the first phase (high noise, `transformer`) and, unless `guidanceScale2` is given, for
    /// all of them; `guidanceScale2` is for the phases after the first. This is diffusers' convention, except that
    /// guidance is on or off for each phase by its own scale, not for all by the first.
    /// - Throws: `DiffusionError.guidance` for a scale that is negative or not finite.
    package init(
        rule: Rule, plan: PhasePlan, guidanceScale: Float? = nil, guidanceScale2: Float? = nil
    ) throws {
        self.rule = rule
        scales = plan.phases.enumerated().map { index, phase in
            (index == 0 ? guidanceScale : guidanceScale2 ?? guidanceScale) ?? phase.guidanceScale
        }
        guard scales.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
            throw DiffusionError.guidance("scales must be numbers from 0 on, given \(scales)")
        }
    }

    package func isOn(inPhase phase: Int) -> Bool { scales[phase] > 1 }

    /// - Parameters:
    ///   - cond, uncond: velocities of one shape; for `normPreserving` the first axis is the channels of a token.
    package func combine(cond: Tensor, uncond: Tensor, phase: Int) -> Tensor {
        let scale = scales[phase]
        let guided = elementwise(cond, uncond) { cond, uncond in uncond + scale * (cond - uncond) }
        switch rule {
        case .classifierFree: return guided
        case .normPreserving: return Self.restoringNorms(of: cond, in: guided)
        }
    }

    /// guided * |cond| / |guided|, the norms over the first axis, in float64.
    private static func restoringNorms(of cond: Tensor, in guided: Tensor) -> Tensor {
        let wanted = squaredNorms(of: cond)
        let actual = squaredNorms(of: guided)
        // A token that vanished altogether has no direction to rescale.
        let factors = zip(wanted, actual).map { $1 > 0 ? Float(($0 / $1).squareRoot()) : 0 }
        let result = Tensor(uninitialized: guided.shape)
        result.withUnsafeMutable { result in
            guided.withUnsafe { guided in
                for channel in stride(from: 0, to: result.count, by: max(factors.count, 1)) {
                    for token in factors.indices { result[channel + token] = guided[channel + token] * factors[token] }
                }
            }
        }
        return result
    }

    private static func squaredNorms(of x: Tensor) -> [Double] {
        let tokens = x.shape.dropFirst().reduce(1, *)
        return x.withUnsafe { x in
            var sums = [Double](repeating: 0, count: tokens)
            for channel in stride(from: 0, to: x.count, by: max(tokens, 1)) {
                for token in 0..<tokens { sums[token] += Double(x[channel + token]) * Double(x[channel + token]) }
            }
            return sums
        }
    }
}
