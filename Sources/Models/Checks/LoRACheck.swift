import Foundation
import Tensor
import Weights

/// A LoRA check: every file in `params.files` must give the same output and the same fused weights.
struct LoRACheck {
    /// The component that the files are for.
    let component: String
    /// The names that other tools give its modules.
    let keys: KeyTable
    /// The output of the network read through a reader.
    let forward: (WeightReader) throws -> Tensor

    func run(
        _ check: GoldenCheck, folder: String, compute: Compute, extra: inout [Comparison]
    ) throws -> [String: Computed] {
        let files: [String] = try check.parameter("files")
        let strength: Double = try check.parameter("strength")
        let checkpoint = try Checkpoint(folder: "\(folder)/\(component)")
        var last: [String: Computed] = [:]
        for (index, file) in files.enumerated() {
            let adapter = try Adapter(
                file: "\(folder)/\(file)", strength: Float(strength), targets: AdapterTargets(checkpoint, keys: keys))
            let reader = WeightReader(checkpoint, adapters: [adapter])
            var results = ["sample": try forward(reader)]
            try reader.requireAdaptersUsed()
            for (name, reference) in check.outputs where name.hasPrefix("fused.") {
                let module = String(name.dropFirst("fused.".count).dropLast(".weight".count))
                // A convolution of one cell is a linear layer.
                let layer = try reader.linear(
                    module, inputs: reference.shape.dropFirst().reduce(1, *), outputs: reference.shape[0],
                    bias: reader.contains("\(module).bias"), storedShape: reference.shape)
                results[name] = layer.merged(on: compute).reshaped(reference.shape)
            }
            if index == files.count - 1 {
                last = results.mapValues { .tensor($0) }
            } else {
                for (name, value) in results.sorted(by: { $0.key < $1.key }) {
                    guard let reference = check.outputs[name] else { continue }
                    let label = "\(name) (\(URL(fileURLWithPath: file).lastPathComponent))"
                    extra.append(.compare(value, with: reference, in: check, as: label))
                }
            }
        }
        return last
    }
}
