import Tensor
import Weights

/// A LoRA file of random factors, in ComfyUI's names.
package enum RandomLoRA {
    /// - Parameters:
    ///   - prefix: before every key.
    ///   - layers: modules of the first block that it updates.
    ///   - width: of their inputs and outputs.
    package static func write(
        to path: String, seed: UInt64, prefix: String = "diffusion_model.",
        layers: [String] = ["self_attn.q", "self_attn.o", "cross_attn.k", "cross_attn.v"], width: Int = 60
    ) throws {
        var random = SplitMix64(seed: seed)
        func factor(_ rows: Int, _ columns: Int) -> Tensor {
            Tensor(
                (0..<rows * columns).map { _ in Float.random(in: -0.5...0.5, using: &random) }, shape: [rows, columns])
        }
        try SafetensorsWriter.write(
            layers.flatMap { layer in
                [
                    ("\(prefix)blocks.0.\(layer).lora_A.weight", factor(3, width)),
                    ("\(prefix)blocks.0.\(layer).lora_B.weight", factor(width, 3)),
                ]
            }, to: path)
    }
}
