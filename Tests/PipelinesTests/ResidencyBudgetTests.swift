import Diffusion
import Foundation
import Pipelines
import Tensor
import Testing
import Weights

/// The tiny pipeline with experts of random weights that are large enough to come and go.
private final class LargerExperts {
    let copy: ModelCopy
    static let (heads, headDim, ffn, layers) = (4, 32, 1536, 5)

    init() throws {
        copy = try ModelCopy()
        for (index, name) in ["transformer", "transformer_2"].enumerated() {
            let folder = "\(copy.path)/\(name)"
            try FileManager.default.removeItem(atPath: folder)
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try copy.write(
                """
                {"num_attention_heads": \(Self.heads), "attention_head_dim": \(Self.headDim), "ffn_dim": \(Self.ffn),
                "num_layers": \(Self.layers), "in_channels": 16, "out_channels": 16, "text_dim": 32, "freq_dim": 64,
                "patch_size": [1, 2, 2], "eps": 1e-6, "cross_attn_norm": true, "qk_norm": "rms_norm_across_heads"}
                """, "\(name)/config.json")
            try SafetensorsWriter.write(
                Self.tensors(seed: UInt64(index)), to: "\(folder)/diffusion_pytorch_model.safetensors")
        }
    }

    private static func tensors(seed: UInt64) -> [(String, Tensor)] {
        let dim = heads * headDim
        var tensors: [(String, Tensor)] = []
        func add(_ name: String, _ shape: [Int], scale: Float = 0.05) {
            let noise = GaussianNoise(seed: seed &* 1000 &+ UInt64(tensors.count), purpose: .initialLatent)
            let values = noise.tensor(shape: shape)
            values.withUnsafeMutable { for index in $0.indices { $0[index] *= scale } }
            tensors.append((name, values))
        }
        func linear(_ name: String, _ outputs: Int, _ inputs: [Int]) {
            add("\(name).weight", [outputs] + inputs)
            add("\(name).bias", [outputs])
        }
        linear("patch_embedding", dim, [16, 1, 2, 2])
        for (part, width) in [("time", 64), ("text", 32)] {
            linear("condition_embedder.\(part)_embedder.linear_1", dim, [width])
            linear("condition_embedder.\(part)_embedder.linear_2", dim, [dim])
        }
        linear("condition_embedder.time_proj", 6 * dim, [dim])
        for layer in 0..<layers {
            let block = "blocks.\(layer)"
            for attention in ["attn1", "attn2"] {
                for projection in ["to_q", "to_k", "to_v", "to_out.0"] {
                    linear("\(block).\(attention).\(projection)", dim, [dim])
                }
                add("\(block).\(attention).norm_q.weight", [dim], scale: 1)
                add("\(block).\(attention).norm_k.weight", [dim], scale: 1)
            }
            add("\(block).norm2.weight", [dim], scale: 1)
            add("\(block).norm2.bias", [dim])
            linear("\(block).ffn.net.0.proj", ffn, [dim])
            linear("\(block).ffn.net.2", dim, [ffn])
            add("\(block).scale_shift_table", [1, 6, dim])
        }
        linear("proj_out", 64, [dim])
        add("scale_shift_table", [1, 2, dim])
        return tensors
    }
}

/// A budget decides what is in memory, and nothing else.
@Suite struct ResidencyBudgetTests {
    private func frames(_ model: LargerExperts, _ residency: Residency?, expects: Bool) throws -> [Float] {
        let pipeline = try Pipeline(folder: model.copy.path, compute: Compute(threads: 2), residency: residency)
        var all: [Float] = []
        for seed in UInt64(1)...2 {
            var one = try Run(
                GenerationParameters(
                    prompt: "a cat", negativePrompt: "", width: 48, height: 32, frames: 5, seed: seed, steps: 6,
                    guidanceScale: 4, guidanceScale2: 3), of: pipeline)
            if expects {
                _ = try one.finish { all += $0.array }
            } else {
                // As a run that tells nobody what follows.
                try one.encodeTexts { try pipeline.encode($0, by: $1) }
                var batch = [one]
                while !batch[0].generation.isFinished { _ = try Run.step(&batch) }
                try batch[0].decode { all += $0.array }
            }
        }
        return all
    }

    /// Half of both experts, less than one of them, hardly more than a layer: told what comes, and not told.
    @Test(arguments: WeightLoading.allCases, [true, false])
    func aBudgetDoesNotChangeABit(loading: WeightLoading, expects: Bool) throws {
        let model = try LargerExperts()
        let unlimited = try frames(model, nil, expects: false)
        #expect(unlimited.allSatisfy { $0.isFinite } && Set(unlimited).count > 100)
        for megabytes in [18, 9, 5] {
            let residency = Residency(budget: megabytes << 20, loading: loading, memory: { ProcessMemory() })
            let limited = try frames(model, residency, expects: expects)
            #expect(limited == unlimited)
            let report = residency.report
            let sum = report.residents.reduce(0) { $0 + $1.bytes }
            #expect(sum > 18 << 20)
            #expect(report.tally.peakBytes <= megabytes << 20)
            #expect(report.residents.reduce(0) { $0 + $1.bytesHere } <= megabytes << 20)
            #expect(report.tally.bytesRead > sum)
        }
    }

    /// An expert's file that is cut while it is served ends the generation, not the process.
    @Test func aFileThatIsCutEndsTheGeneration() throws {
        let model = try LargerExperts()
        let residency = Residency(budget: 9 << 20, memory: { ProcessMemory() })
        let pipeline = try Pipeline(folder: model.copy.path, compute: Compute(threads: 1), residency: residency)
        var one = try pipeline.encodedRun(
            "a cat", seed: 1, width: 48, height: 32, frames: 5, steps: 6, guidanceScale: 1, guidanceScale2: 1)
        let file = "\(model.copy.path)/transformer_2/diffusion_pytorch_model.safetensors"
        #expect(truncate(file, 1 << 20) == 0)
        let error = #expect(throws: WeightError.self) {
            try one.finishSteps()
        }
        #expect(one.generation.nextPhase?.expert == "transformer_2")
        let message = try #require(error).description
        #expect(message.contains(file))
    }
}

@Suite struct MemoryBudgetTests {
    @Test(arguments: [
        ("12GB", 12_000_000_000), ("1.5 GiB", 1_610_612_736), ("900mb", 900_000_000), ("4g", 4_000_000_000),
    ]) func sizes(text: String, bytes: Int) {
        #expect(MemoryBudget(text)?.limit == bytes)
    }

    @Test func words() throws {
        #expect(MemoryBudget("off")?.limit == nil)
        let automatic = try #require(MemoryBudget("auto")?.limit)
        #expect(automatic > 100 << 20)
        #expect(automatic < Int(ProcessInfo.processInfo.physicalMemory))
    }

    @Test(arguments: ["", "12", "GB", "-1GB", "0GB", "nanGB", "1e400GB", "twelve GB"])
    func nonsense(text: String) {
        #expect(MemoryBudget(text) == nil)
    }
}
