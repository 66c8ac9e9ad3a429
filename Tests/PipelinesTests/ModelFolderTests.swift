import Diffusion
import Foundation
import Pipelines
import Tensor
import Testing

let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/wan22-tiny").path

/// A copy of the tiny pipeline that a test may damage.
final class ModelCopy {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for part in ["transformer", "transformer_2", "vae", "text_encoder", "tokenizer", "scheduler"] {
            try FileManager.default.copyItem(atPath: "\(fixture)/\(part)", toPath: "\(path)/\(part)")
        }
        try FileManager.default.copyItem(atPath: "\(fixture)/model_index.json", toPath: "\(path)/model_index.json")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, _ file: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(file)"))
    }

    func replace(_ old: String, with new: String, in file: String) throws {
        let text = try String(contentsOfFile: "\(path)/\(file)", encoding: .utf8)
        #expect(text.contains(old), "\(file) has no \(old)")
        try write(text.replacingOccurrences(of: old, with: new), file)
    }

    func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(file)") }

    func truncate(_ file: String, by count: Int) throws {
        let url = URL(fileURLWithPath: "\(path)/\(file)")
        try Data(contentsOf: url).dropLast(count).write(to: url)
    }
}

@Suite struct ModelFolderTests {
    /// What is done to a folder, and what the message must name.
    struct Damage: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let expected: [String]
        let apply: @Sendable (ModelCopy) throws -> Void

        init(_ name: String, _ expected: [String], _ apply: @escaping @Sendable (ModelCopy) throws -> Void) {
            testDescription = name
            self.expected = expected
            self.apply = apply
        }
    }

    private static func phases(_ list: String) -> String {
        #"{"default":"a","generators":{"a":{"sampler":"euler","sigmas":[1,0.9,0.4],"phases":[\#(list)]}}}"#
    }

    static let damages: [Damage] = [
        Damage("no index", ["no model_index.json"]) { try $0.remove("model_index.json") },
        Damage("index is no JSON", ["model_index.json", "not a JSON object"]) { try $0.write("{", "model_index.json") },
        Damage("another pipeline", ["not supported", "FluxPipeline"]) {
            try $0.replace("WanPipeline", with: "FluxPipeline", in: "model_index.json")
        },
        Damage("missing expert half", ["transformer_2"]) { try $0.remove("transformer_2") },
        Damage("missing vae", ["vae/", "missing"]) { try $0.remove("vae") },
        Damage("missing shard", ["00002-of-", "no such file"]) { model in
            let names = try FileManager.default.contentsOfDirectory(atPath: "\(model.path)/transformer")
            let shard = try #require(names.first { $0.contains("00002-of-") })
            try model.remove("transformer/\(shard)")
        },
        Damage("truncated weights", ["transformer_2/diffusion_pytorch_model.safetensors", "data_offsets"]) {
            try $0.truncate("transformer_2/diffusion_pytorch_model.safetensors", by: 100)
        },
        Damage("other dims", ["patch_embedding.weight", "[60, 16, 1, 2, 2]", "[80, 16, 1, 2, 2]"]) {
            try $0.replace(
                "\"num_attention_heads\": 3", with: "\"num_attention_heads\": 4", in: "transformer_2/config.json")
        },
        Damage("absurd dims", ["num_layers", "1000000000"]) {
            try $0.replace("\"num_layers\": 2", with: "\"num_layers\": 1000000000", in: "transformer/config.json")
        },
        Damage("no heads", ["num_attention_heads", "0"]) {
            try $0.replace(
                "\"num_attention_heads\": 3", with: "\"num_attention_heads\": 0", in: "transformer/config.json")
        },
        Damage("config without a field", ["ffn_dim"]) {
            try $0.replace("\"ffn_dim\"", with: "\"ffn_size\"", in: "transformer/config.json")
        },
        Damage("image-to-video", ["not supported", "image-to-video"]) {
            try $0.replace("\"in_channels\": 16", with: "\"in_channels\": 36", in: "transformer/config.json")
        },
        Damage("vae of another width", ["vae", "conv_in.weight"]) {
            try $0.replace("\"base_dim\": 8", with: "\"base_dim\": 16", in: "vae/config.json")
        },
        Damage("text encoder of another width", ["text_encoder", "shared.weight"]) {
            try $0.replace("\"d_model\": 32", with: "\"d_model\": 64", in: "text_encoder/config.json")
        },
        Damage("damaged tokenizer", ["tokenizer.json"]) { try $0.write("{\"model\": 3}", "tokenizer/tokenizer.json") },
        Damage("phases with a gap", ["[0.5, 0.8)"]) {
            try $0.write(
                phases(
                    #"{"name":"high","sigma":[0.8,1],"expert":"transformer"},"#
                        + #"{"name":"low","sigma":[0,0.5],"expert":"transformer_2"}"#), "phases.json")
        },
        Damage("phases that overlap", ["[0.8, 0.85)", "twice"]) {
            try $0.write(
                phases(
                    #"{"name":"high","sigma":[0.8,1],"expert":"transformer"},"#
                        + #"{"name":"low","sigma":[0,0.85],"expert":"transformer_2"}"#), "phases.json")
        },
        Damage("phase of an unknown expert", ["transformer_3"]) {
            try $0.write(phases(#"{"name":"all","sigma":[0,1],"expert":"transformer_3"}"#), "phases.json")
        },
        Damage("expert outside the folder", ["../transformer"]) {
            try $0.write(phases(#"{"name":"all","sigma":[0,1],"expert":"../transformer"}"#), "phases.json")
        },
    ]

    @Test(arguments: damages) func damagedFolderSaysWhatIsWrong(damage: Damage) throws {
        let model = try ModelCopy()
        try damage.apply(model)
        let error = #expect(throws: (any Error).self) {
            try Pipeline(folder: model.path, compute: Compute(threads: 1))
        }
        let message = "\(try #require(error))"
        for word in damage.expected { #expect(message.contains(word), "\(damage.testDescription): \(message)") }
    }

    @Test func absentFolderIsNamed() throws {
        let error = #expect(throws: PipelineError.self) {
            try Pipeline(folder: "/nonexistent/model", compute: Compute(threads: 1))
        }
        #expect("\(try #require(error))".contains("/nonexistent/model"))
    }

    @Test func everyKeyOfThePipelineIsUsed() throws {
        let pipeline = try Pipeline(folder: fixture, compute: Compute(threads: 1))
        for component in pipeline.components { #expect(component.unusedKeys == [], "\(component.name)") }
        #expect(pipeline.generators.generators.map(\.plan.phases.count) == [2])
    }
}
