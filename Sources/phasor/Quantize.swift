import ArgumentParser
import Foundation
import Models
import Pipelines
import Tensor
import Weights

struct Quantize: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a weight file or a component folder again with narrower weights.",
        discussion: """
            q8_0 and q4_k are written as GGUF, bf16, f16 and fp8 (e4m3 with a scale for each matrix) as safetensors. \
            Matrices are narrowed; norms, biases and small tensors keep their type, and layers outside the blocks stay \
            at eight bits (bf16 under fp8). Tensors are read, written and forgotten one by one, and the file appears \
            when it is whole.

              phasor quantize Wan2.2-T2V-A14B-Diffusers/transformer high-Q4_K.gguf --type q4_k
            """)

    @Argument(
        help: "A safetensors or GGUF file, or a component folder with its shards.", completion: .file(),
        transform: HomeFolder.expand)
    var input: String

    @Argument(
        help: "The file to write: .gguf for q8_0 and q4_k, else .safetensors.", completion: .file(),
        transform: HomeFolder.expand)
    var output: String

    @Option(help: "q8_0, q4_k, bf16, f16 or fp8.")
    var type: Quantizer.Target

    @OptionGroup var speech: SpeechOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
        guard output.hasSuffix(".\(type.format.rawValue)") else {
            throw ValidationError("--type \(type.rawValue) writes .\(type.format.rawValue) files, not \"\(output)\"")
        }
    }

    func run() throws {
        _ = try OutputFile(output)
        let checkpoint = try Checkpoint(toRecognise: input)
        let identity = try FileIdentity.all(in: checkpoint)[0]
        guard identity.part != .adapter else { throw ValidationError("\(input): a LoRA is not quantised") }
        let compute = threads.makeCompute()
        let quantizer = Quantizer(checkpoint, target: type)
        let bar = ProgressLine()
        let clock = ContinuousClock()
        let start = clock.now
        try quantizer.write(to: output, metadata: metadata(of: checkpoint, identity), compute: compute) { done in
            let percent = quantizer.byteCount > 0 ? 100 * done / quantizer.byteCount : 100
            bar.show(done: done / 1_000_000, of: quantizer.byteCount / 1_000_000, "MB, \(percent) %")
        }
        bar.finish()
        let before = checkpoint.files.reduce(0) { $0 + $1.bytes }
        let seconds = String(format: "%.1f", start.duration(to: clock.now) / .seconds(1))
        Console.current.result(
            "\(output): \(identity.name), \(before / 1_000_000) -> \(quantizer.byteCount / 1_000_000) MB, \(seconds) s")
    }

    /// The configuration goes along, so that nothing about the network has to be guessed from its shapes.
    private func metadata(of checkpoint: Checkpoint, _ identity: FileIdentity) -> [String: String] {
        var metadata: [String: String] = [:]
        if type.format == .gguf { metadata["general.architecture"] = identity.architecture }
        if let configuration = checkpoint.configuration {
            metadata[Checkpoint.Configuration.metadataKey] = String(decoding: configuration.json, as: UTF8.self)
        }
        return metadata
    }
}

extension Quantizer.Target: ExpressibleByArgument {}
