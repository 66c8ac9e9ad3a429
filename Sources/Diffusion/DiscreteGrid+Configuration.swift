/// `"discrete"` of a generator in `phases.json`; `GeneratorSet` says what may stand there.
extension DiscreteGrid {
    private static let predictions: [String: Prediction] = [
        "epsilon": .own, "sample": .sample, "consistency": .consistency,
    ]

    /// - Throws: `DiffusionError.configuration` that names the key.
    init(_ entry: ConfigurationValue, sampler: SamplerKind) throws {
        try entry.requireKeys(in: ["times", "steps", "prediction", "eta"])
        let times = try Self.times(entry.required("times"))
        let stepsEntry = try entry.optional("steps")
        var prediction = Prediction.own
        if let value = try entry.optional("prediction") {
            guard let known = Self.predictions[try value.string()] else {
                throw value.fault(
                    "'\(try value.string())' is not known; known are \(Self.predictions.keys.sorted().joined(separator: ", "))"
                )
            }
            prediction = known
        }
        var eta = 0.0
        if let value = try entry.optional("eta") {
            eta = try value.number()
            guard sampler == .tcd, 0...1 ~= eta else { throw value.fault("is for tcd only, from 0 to 1") }
        }
        if case .fixed = times {
            if let stepsEntry { throw stepsEntry.fault("a list of times says how many steps there are") }
            self.init(times, prediction: prediction, eta: Float(eta))
        } else {
            guard let stepsEntry else { throw entry.fault("'steps' is missing") }
            self.init(times, steps: try stepsEntry.positiveInteger(), prediction: prediction, eta: Float(eta))
        }
        _ = try entry.located { try schedule(sampler, steps: nil) }
    }

    private static func times(_ entry: ConfigurationValue) throws -> Times {
        if let rule = try? entry.string() {
            switch rule {
            case "trailing": return .trailing
            case "leading": return .leading
            case "consistency": return .consistency
            default:
                throw entry.fault(
                    "'\(rule)' is not known; known are trailing, leading, consistency, or a list of times")
            }
        }
        let list = try entry.elements().map { element in
            guard let time = Int(exactly: try element.number()), 0..<DiscreteNoise.times ~= time else {
                throw element.fault("must be a whole number from 0 to \(DiscreteNoise.times - 1)")
            }
            return time
        }
        guard !list.isEmpty, zip(list, list.dropFirst()).allSatisfy({ $0 > $1 }) else {
            throw entry.fault("must be times in falling order")
        }
        return .fixed(list)
    }
}
