import Foundation
import Models
import Pipelines
import Tensor
import Weights

/// `phasor inspect FILE`: what one weight file is and what it can be used for.
struct FileInspection {
    let path: String
    let compute: Compute

    func show() throws {
        let checkpoint = try Checkpoint(toRecognise: path)
        let identities = try FileIdentity.all(in: checkpoint)
        let bytes = checkpoint.files.reduce(0) { $0 + $1.bytes }
        Console.current.result("\(path)")
        Console.current.result(
            "  \(Self.gigabytes(bytes)), \(checkpoint.tensors.count) tensors, "
                + String(format: "%.3f", Double(checkpoint.parameterCount) / 1e9) + " G parameters: "
                + checkpoint.typeBytes.map { "\($0.type.rawValue) \(Self.gigabytes($0.bytes))" }.joined(separator: ", ")
        )
        for identity in identities { try show(identity, checkpoint) }
        if identities.contains(where: { $0.part == .expert && $0.refusal == nil }),
            identities.contains(where: { $0.part == .textEncoder }), identities.contains(where: { $0.part == .vae })
        {
            print("\n  a whole model: name the file as the model, with --tokenizer DIR")
        }
    }

    private func show(_ identity: FileIdentity, _ checkpoint: Checkpoint) throws {
        Console.current.result("\n  \(identity.name)")
        if let refusal = identity.refusal {
            Console.current.result("  cannot be used: \(refusal)")
            return
        }
        let unused = try identity.unusedKeys(in: checkpoint, compute: compute)
        if !unused.isEmpty {
            Console.current.result(
                "  \(unused.count) keys that nothing reads: \(unused.prefix(5).joined(separator: ", "))")
        }
        switch identity.part {
        case .expert where identity.isOneOfSeveral:
            Console.current.result(
                "  use it as --expert high=FILE or low=FILE (a model of two experts), or --expert FILE (a model of one)"
            )
        case .expert: Console.current.result("  use it as --expert FILE")
        case .textEncoder:
            let hasTokenizer = CarriedTokenizer.isCarried(by: checkpoint)
            Console.current.result(
                "  use it as --text-encoder FILE, with \(hasTokenizer ? "the tokenizer that it carries" : "--tokenizer DIR")"
            )
        case .visionTower:
            Console.current.result("  use it as --vision-tower FILE, beside a --text-encoder that has none")
        case .vae: Console.current.result("  use it as --vae FILE")
        case .tinyVAE:
            Console.current.result("  use it as --preview-vae FILE, or as --vae FILE in place of the large one")
        case .adapter:
            // Asked for a model of two, a family of one expert tells that.
            let experts = try identity.family?.generators(experts: 2).first?.plan.experts ?? []
            Console.current.result(
                experts.count == 1
                    ? "  use it as --lora \(experts[0])=FILE, or by its name out of the folder of --loras"
                    : "  use it as --lora high=FILE or low=FILE; the keys do not tell for which expert it was trained")
        }
    }

    private static func gigabytes(_ bytes: Int) -> String {
        bytes < 100_000_000
            ? String(format: "%.1f MB", Double(bytes) / 1e6) : String(format: "%.2f GB", Double(bytes) / 1e9)
    }
}
