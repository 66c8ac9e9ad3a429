import Foundation
import Models
import PromptText
import Tensor
import TestSupport
import Testing
import Weights

struct Qwen3EncoderTests {
    private static let compute = Compute(threads: 2)
    private static var folder: String { "\(SingleFile.path)/text_encoder" }
    private static let ids = [11, 3, 250, 899, 42, 42, 7]

    private static func config() throws -> QwenConfig { try .read("\(folder)/config.json") }

    private static func dimensions(_ config: QwenConfig) -> [Int] {
        [
            config.vocabulary, config.dim, config.layers, config.heads, config.kvHeads, config.headDim, config.ffnDim,
        ]
    }

    private static func states(_ states: [Int], of checkpoint: Checkpoint) throws -> [Tensor] {
        let reader = WeightReader(checkpoint)
        let encoder = try Qwen3Encoder(reader, config: try config(), states: states, compute: compute)
        #expect(reader.unusedKeys.isEmpty)
        return try encoder.encode(ids)
    }

    /// In the order asked for, and without the layers beyond the last one: those need not even be there.
    @Test func givesTheStatesAskedFor() throws {
        let config = try Self.config()
        let checkpoint = try Checkpoint(folder: Self.folder)
        let all = try Self.states(Array(0...config.layers), of: checkpoint)
        #expect(all.count == config.layers + 1)
        let two = try Self.states([2, 1], of: checkpoint)
        #expect(two.map(\.array) == [all[2].array, all[1].array])
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "model.safetensors").path
            let kept = checkpoint.tensors.filter { !$0.key.contains("layers.2.") && !$0.key.contains(".norm.") }
            #expect(kept.count < checkpoint.tensors.count)
            try SafetensorsWriter.write(kept.map { ($0.key, $0.value.widened()) }, to: file)
            #expect(try Self.states([2], of: Checkpoint(file: file))[0].array == all[2].array)
        }
    }

    @Test(arguments: [[-1], [1, 4], []])
    func refusesStatesThatAreNotThere(states: [Int]) throws {
        let reader = WeightReader(try Checkpoint(folder: Self.folder))
        #expect(throws: TextError.self) {
            try Qwen3Encoder(reader, config: try Self.config(), states: states, compute: Self.compute)
        }
    }

    /// Bare keys, llama.cpp's keys, and those of a checkpoint that holds everything; with a head that is not read.
    @Test(arguments: ["bare", "gguf", "all-in-one"])
    func readsOtherNames(form: String) throws {
        let checkpoint = try Checkpoint(folder: Self.folder)
        let expected = try Self.states([2, 3], of: checkpoint)
        let short = [
            "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
            "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
            "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
            "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
        ]
        func theirs(_ key: String) throws -> String {
            let bare = String(key.dropFirst("model.".count))
            switch form {
            case "bare": return bare
            case "all-in-one": return "text_encoders.qwen3_4b.transformer.\(key)"
            default: break
            }
            if bare == "embed_tokens.weight" { return "token_embd.weight" }
            if bare == "norm.weight" { return "output_norm.weight" }
            let parts = bare.split(separator: ".")
            let module = try #require(short[parts[2..<parts.count - 1].joined(separator: ".")])
            return "blk.\(parts[1]).\(module).weight"
        }
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "encoder.safetensors").path
            var tensors = try checkpoint.tensors.map { (name: try theirs($0.key), value: $0.value.widened()) }
            let head = ["bare": "lm_head.weight", "gguf": "output.weight"][form]
            if let head { tensors.append((head, Tensor(zeros: [2, 2]))) }
            try SafetensorsWriter.write(tensors, to: file)
            let renamed = try Checkpoint(file: file).renamed(by: Qwen3Keys.encoder)
            #expect(try Self.states([2, 3], of: renamed).map(\.array) == expected.map(\.array))
            // Without a configuration the shapes tell the dimensions.
            let told = try QwenConfig.of(renamed)
            #expect(try Self.dimensions(told) == Self.dimensions(Self.config()))
        }
    }

    /// The numbers of GGUF files: Qwen3-4B-Instruct-2507 turns by other angles than Qwen3-4B, and the long-context forms scale.
    @Test func numbersOfAGGUFFileCount() throws {
        let tensors = try Checkpoint(folder: Self.folder).tensors
        func config(_ metadata: [String: String]) throws -> QwenConfig {
            var made: QwenConfig?
            try withTemporaryFolder { folder in
                let file = folder.appending(path: "qwen3.gguf").path
                let writer = try WeightFileWriter(
                    path: file, format: .gguf,
                    entries: tensors.map { .init(name: $0, type: $1.type, shape: $1.shape) },
                    metadata: ["general.architecture": "qwen3"].merging(metadata) { $1 })
                for entry in writer.entries { try writer.append(Array(try #require(tensors[entry.name]).bytes)) }
                try writer.finish()
                made = try QwenConfig.of(Checkpoint(file: file))
            }
            return try #require(made)
        }
        let plain = try config([:])
        #expect(plain.ropeTheta == 1e6 && plain.eps == 1e-6)
        let other = try config(["qwen3.rope.freq_base": "5000000.0", "qwen3.attention.layer_norm_rms_epsilon": "1e-05"])
        #expect(other.ropeTheta == 5e6 && other.eps == 1e-5)
        #expect(try config(["qwen3.rope.scaling.type": "none"]).ropeTheta == 1e6)
        let error = #expect(throws: TextError.self) { try config(["qwen3.rope.scaling.type": "yarn"]) }
        #expect("\(try #require(error))".contains("qwen3.rope.scaling.type"))
    }

    @Test func promptsAreCutToTheirLength() throws {
        let config = try Self.config()
        let encoder = try Qwen3Encoder(
            WeightReader(Checkpoint(folder: Self.folder)), config: config,
            states: ZImagePromptEncoder.states(of: config), compute: Self.compute)
        let prompts = ZImagePromptEncoder(
            tokenizer: try BytePairTokenizer(directory: URL(fileURLWithPath: "\(SingleFile.path)/tokenizer")),
            encoder: encoder)
        let long = String(repeating: "lighthouse ", count: 600)
        #expect(prompts.tokenCount(of: long) > 512)
        #expect(prompts.ids(of: long).count == 512)
        #expect(try prompts.rows(of: long).shape == [512, config.dim])
        #expect(try prompts.encode(tokens: 9).rows.shape == [9, config.dim])
        #expect(prompts.tokenCount(of: "") == prompts.ids(of: "").count)
    }
}
