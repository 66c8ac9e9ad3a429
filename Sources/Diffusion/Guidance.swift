import Tensor

/// How the velocities with and without the prompt become one, and how strongly in each phase.
package struct Guidance: Sendable, Equatable, Codable {
    /// The arithmetic of a family of models. Scales count as the family's published pipelines count them.
    package struct Rule: Sendable, Equatable, Codable {
        package enum Combination: String, Sendable, Codable {
            /// uncond + g (cond - uncond); off where g <= 1.
            case classifierFree
            /// Qwen-Image's true CFG: as above, then every token gets back the norm that `cond` had.
            case normPreserving
            /// Z-Image's: cond + g (cond - uncond); off where g = 0.
            case fromCondition
            /// The network itself is told the scale: there is no second evaluation (SANA-Sprint).
            case embedded
        }

        package let combination: Combination
        /// The guided velocity is scaled down until its L2 norm is at most this many times that of `cond`, both over the
        /// whole latent (`cfg_normalization`); nil for no limit.
        package let normLimit: Float?
        /// Guidance is off at steps whose 1 - sigma is above this (`cfg_truncation`); nil for none.
        package let truncation: Float?

        package init(_ combination: Combination, normLimit: Float? = nil, truncation: Float? = nil) {
            self.combination = combination
            self.normLimit = normLimit
            self.truncation = truncation
        }

        package static let classifierFree = Rule(.classifierFree)
        package static let normPreserving = Rule(.normPreserving)
        package static let fromCondition = Rule(.fromCondition)
        package static let embedded = Rule(.embedded)

        /// The largest scale at which there is no second evaluation.
        package var neutralScale: Float {
            switch combination {
            case .classifierFree, .normPreserving: 1
            case .fromCondition: 0
            case .embedded: .infinity
            }
        }
    }

    package let rule: Rule
    /// One per phase of the plan, from high noise to low noise. In a phase whose scale is at most the rule's
    /// `neutralScale` guidance is off: only `cond` is evaluated.
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

    /// The same rule with guidance off in every phase.
    package var unguided: Guidance {
        Guidance(rule: rule, scales: scales.map { min($0, rule.neutralScale) })
    }

    private init(rule: Rule, scales: [Float]) {
        self.rule = rule
        self.scales = scales
    }

    /// Whether a step from `sigma`, which that phase owns, evaluates `uncond` as well.
    package func isOn(inPhase phase: Int, sigma: Float) -> Bool {
        guard scales[phase] > rule.neutralScale else { return false }
        guard let truncation = rule.truncation else { return true }
        return 1 - sigma <= truncation
    }

    /// - Parameters:
    ///   - cond, uncond: velocities of one shape; for `normPreserving` the first axis is the channels of a token.
    package func combine(cond: Tensor, uncond: Tensor, phase: Int) -> Tensor {
        let scale = scales[phase]
        let guided =
            switch rule.combination {
            case .classifierFree, .normPreserving:
                elementwise(cond, uncond) { cond, uncond in uncond + scale * (cond - uncond) }
            case .fromCondition: elementwise(cond, uncond) { cond, uncond in cond + scale * (cond - uncond) }
            case .embedded: cond
            }
        let kept = rule.combination == .normPreserving ? Self.restoringNorms(of: cond, in: guided) : guided
        guard let limit = rule.normLimit else { return kept }
        return Self.limiting(kept, to: limit, of: cond)
    }

    /// guided, scaled down to `limit` |cond| if its L2 norm is above that; the norms in float64.
    private static func limiting(_ guided: Tensor, to limit: Float, of cond: Tensor) -> Tensor {
        func norm(_ x: Tensor) -> Double {
            x.withUnsafe { $0.reduce(0) { $0 + Double($1) * Double($1) } }.squareRoot()
        }
        let (actual, allowed) = (norm(guided), Double(limit) * norm(cond))
        guard actual > allowed else { return guided }
        let factor = Float(allowed / actual)
        return elementwise(guided, guided) { value, _ in value * factor }
    }

    /// guided * |cond| / |guided|, the norms over the first axis, in float64.
    private static func restoringNorms(of cond: Tensor, in guided: Tensor) -> Tensor {
        let wanted = squaredNorms(of: cond)
        let actual = squaredNorms(of: guided)
        // A token that vanished altogether has no direction to rescale.
        let factors = zip(wanted, actual).map { $1 > 0 ? Float(($0 / $1).squareRoot()) : 0 }
        return Tensor(shape: guided.shape) { result in
            guided.withUnsafe { guided in
                for channel in stride(from: 0, to: result.count, by: max(factors.count, 1)) {
                    for token in factors.indices { result[channel + token] = guided[channel + token] * factors[token] }
                }
            }
        }
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
