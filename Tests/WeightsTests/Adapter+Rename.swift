import Weights

extension Adapter {
    /// A LoRA file for a network that is known by its renames alone.
    init(
        file: String, strength: Float, expert: String = "transformer", rename: @escaping (String) -> String
    ) throws(WeightError) {
        try self.init(file: file, strength: strength, expert: expert, targets: AdapterTargets(rename: rename))
    }
}
