import Diffusion
import Foundation
import Models
import Pipelines
import Tensor
import TestSupport
import Testing
import Weights

/// The tiny pipeline as people have it on disk: single files under the names of other tools. The folder it was made from
/// is held against the reference libraries elsewhere; the same weights must give the same bytes.
@Suite struct SingleFileTests {
    private let compute = Compute(threads: 2)

    /// Their name -> diffusers' name, from the reference conversion.
    private static func map(_ file: String) throws -> [String: String] {
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(fixture)/original_format/\(file)"))
        let maps = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        return try #require(maps["this_model"] as? [String: String])
    }

    /// transformers' names of UMT5 -> those of GGUF files, and of the original repository.
    private static func textKey(_ key: String, original: Bool) -> String {
        let forms: [(String, String, String)] = [
            ("shared.weight", "token_embd.weight", "token_embedding.weight"),
            ("encoder.final_layer_norm.weight", "enc.output_norm.weight", "norm.weight"),
            ("encoder.block.", "enc.blk.", "blocks."),
            (".layer.0.layer_norm.", ".attn_norm.", ".norm1."), (".layer.1.layer_norm.", ".ffn_norm.", ".norm2."),
            (".layer.0.SelfAttention.relative_attention_bias.", ".attn_rel_b.", ".pos_embedding.embedding."),
            (".layer.0.SelfAttention.q.", ".attn_q.", ".attn.q."),
            (".layer.0.SelfAttention.k.", ".attn_k.", ".attn.k."),
            (".layer.0.SelfAttention.v.", ".attn_v.", ".attn.v."),
            (".layer.0.SelfAttention.o.", ".attn_o.", ".attn.o."),
            (".layer.1.DenseReluDense.wi_0.", ".ffn_gate.", ".ffn.gate.0."),
            (".layer.1.DenseReluDense.wi_1.", ".ffn_up.", ".ffn.fc1."),
            (".layer.1.DenseReluDense.wo.", ".ffn_down.", ".ffn.fc2."),
        ]
        return forms.reduce(key) { $0.replacingOccurrences(of: $1.0, with: original ? $1.2 : $1.1) }
    }

    /// Writes a component of the tiny pipeline as one file under other names.
    private static func write(
        _ component: String, to path: String, prefix: String = "", withConfiguration: Bool = false,
        name: (String) throws -> String
    ) throws {
        let checkpoint = try Checkpoint(folder: "\(fixture)/\(component)")
        let format: WeightFileWriter.Format = path.hasSuffix(".gguf") ? .gguf : .safetensors
        var weights: [String: Weight] = [:]
        for (key, weight) in checkpoint.tensors { weights[prefix + (try name(key))] = weight }
        var metadata = ["general.architecture": "test"]
        if withConfiguration {
            metadata[Checkpoint.Configuration.metadataKey] = try String(
                contentsOfFile: "\(fixture)/\(component)/config.json", encoding: .utf8)
        }
        let writer = try WeightFileWriter(
            path: path, format: format,
            entries: weights.map { .init(name: $0, type: $1.type, shape: $1.shape) }, metadata: metadata)
        for entry in writer.entries { try writer.append(try #require(weights[entry.name]).bytes) }
        try writer.finish()
    }

    /// Writes the text encoder as ComfyUI has it, the tokenizer's model among its tensors.
    private static func writeText(to path: String, spiece: [UInt8]) throws {
        let weights = try Checkpoint(folder: "\(fixture)/text_encoder").tensors
        let writer = try WeightFileWriter(
            path: path, format: .safetensors,
            entries: weights.map { .init(name: $0, type: $1.type, shape: $1.shape) }
                + [.init(name: "spiece_model", type: .u8, shape: [spiece.count])])
        for entry in writer.entries {
            if let weight = weights[entry.name] { try writer.append(weight.bytes) } else { try writer.append(spiece) }
        }
        try writer.finish()
    }

    /// A folder of single files, gone after the test.
    private final class Files {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        /// One step of each expert.
        static let phases = """
            {"default": "student", "generators": {"student": {"sampler": "euler", "steps": 2, "shift": 5, "phases": [
              {"name": "high noise", "sigma": [0.875, 1], "expert": "transformer"},
              {"name": "low noise", "sigma": [0, 0.875], "expert": "transformer_2"}]}}}
            """

        init() throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try Data(Self.phases.utf8).write(to: URL(fileURLWithPath: "\(path)/phases.json"))
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func model(folder: String? = nil) -> ModelFiles {
            var files = ModelFiles(folder: folder)
            files.phases = "\(path)/phases.json"
            return files
        }
    }

    /// A clip of two latent frames: what every part computes goes into it.
    private func frames(_ files: ModelFiles) throws -> [Float] {
        let pipeline = try Pipeline(files, compute: compute)
        #expect(pipeline.components.flatMap(\.unusedKeys) == [])
        var run = try pipeline.encodedRun("a red fox on a hill", seed: 5, width: 32, height: 32, frames: 5)
        var frames: [Float] = []
        _ = try run.finish { frames += $0.array }
        return frames
    }

    // MARK: The same bytes from other files

    @Test func originalNamesWithinAFolder() throws {
        let files = try Files()
        var model = files.model(folder: fixture)
        let expected = try frames(model)
        for (expert, half) in [("transformer", "high"), ("transformer_2", "low")] {
            model.experts[expert] =
                "\(fixture)/original_format/\(half)_noise_model/diffusion_pytorch_model.safetensors"
        }
        #expect(try frames(model) == expected)
    }

    @Test(arguments: [
        ("safetensors", "model.diffusion_model.", false), ("safetensors", "", true), ("gguf", "", false),
        ("gguf", "diffusion_model.", true),
    ])
    func singleFilesAlone(format: String, prefix: String, isOriginalText: Bool) throws {
        let files = try Files()
        let expected = try frames(files.model(folder: fixture))
        var model = files.model()
        let transformer = Dictionary(
            uniqueKeysWithValues: try Self.map("transformer_key_map.json").map { ($1, $0) })
        for (expert, name) in [("transformer", "high"), ("transformer_2", "low")] {
            let path = "\(files.path)/\(name).\(format)"
            // Heads of 20 are nobody's: that they are cannot be told from shapes.
            try Self.write(expert, to: path, prefix: prefix, withConfiguration: true) { try #require(transformer[$0]) }
            model.experts[expert] = path
        }
        model.textEncoder = "\(files.path)/umt5.\(format)"
        try Self.write("text_encoder", to: "\(files.path)/umt5.\(format)") {
            Self.textKey($0, original: isOriginalText)
        }
        let vae = Dictionary(uniqueKeysWithValues: try Self.map("vae_key_map.json").map { ($1, $0) })
        model.vae = "\(files.path)/vae.\(format)"
        try Self.write("vae", to: "\(files.path)/vae.\(format)") { try #require(vae[$0]) }
        model.tokenizer = "\(fixture)/tokenizer"
        #expect(try frames(model) == expected)
        #expect(try Pipeline(model, compute: compute).id == "high")
    }

    /// Experts, text encoder and VAE as files and nothing else: the text encoder carries its tokenizer.
    @Test(arguments: ["gguf", "safetensors"]) func noFolderAtAll(format: String) throws {
        let files = try Files()
        let expected = try frames(files.model(folder: fixture))
        var model = files.model()
        let transformer = Dictionary(
            uniqueKeysWithValues: try Self.map("transformer_key_map.json").map { ($1, $0) })
        for (expert, name) in [("transformer", "high"), ("transformer_2", "low")] {
            let path = "\(files.path)/\(name).\(format)"
            try Self.write(expert, to: path, withConfiguration: true) { try #require(transformer[$0]) }
            model.experts[expert] = path
        }
        let vae = Dictionary(uniqueKeysWithValues: try Self.map("vae_key_map.json").map { ($1, $0) })
        model.vae = "\(files.path)/vae.safetensors"
        try Self.write("vae", to: "\(files.path)/vae.safetensors", prefix: "model.") { try #require(vae[$0]) }
        if format == "gguf" {
            // Written by the gguf package.
            model.textEncoder =
                URL(fileURLWithPath: fixture).deletingLastPathComponent()
                .appending(path: "gguf/umt5.gguf").path
        } else {
            model.textEncoder = "\(files.path)/umt5.safetensors"
            let spiece = try Data(contentsOf: URL(fileURLWithPath: "\(fixture)/tokenizer/spiece.model"))
            try Self.writeText(to: "\(files.path)/umt5.safetensors", spiece: [UInt8](spiece))
        }
        #expect(try frames(model) == expected)
    }

    /// The authors' own repository: two folders of experts or one network in the folder itself, `.pth` files of the text encoder
    /// and the VAE, the tokenizer in a folder of folders.
    @Test(arguments: [2, 1]) func originalRepository(experts: Int) throws {
        let files = try Files()
        let folder = "\(files.path)/Wan"
        func copy(_ from: String, _ to: String) throws {
            let target = URL(fileURLWithPath: "\(folder)/\(to)")
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: "\(fixture)/\(from)", toPath: target.path)
        }
        func write(_ part: String, _ to: String, name: (String) throws -> String) throws {
            var tensors: [String: Weight] = [:]
            for (key, weight) in try Checkpoint(folder: "\(fixture)/\(part)").tensors {
                tensors[try name(key)] = weight
            }
            try Data(TorchArchiveWriter.file(tensors)).write(to: URL(fileURLWithPath: "\(folder)/\(to)"))
        }
        if experts == 2 {
            for half in ["high", "low"] { try copy("original_format/\(half)_noise_model", "\(half)_noise_model") }
        } else {
            for name in ["config.json", "diffusion_pytorch_model.safetensors"] {
                try copy("original_format/high_noise_model/\(name)", name)
            }
        }
        try copy("tokenizer", "google/umt5-xxl")
        try write("text_encoder", "models_t5_umt5-xxl-enc-bf16.pth") { Self.textKey($0, original: true) }
        let vae = Dictionary(uniqueKeysWithValues: try Self.map("vae_key_map.json").map { ($1, $0) })
        try write("vae", "Wan2.1_VAE.pth") { try #require(vae[$0]) }

        #expect(ModelFiles.isModel(folder))
        var expected = files.model(folder: fixture)
        var model = files.model(folder: folder)
        if experts == 1 {
            (model.phases, expected.phases) = ("\(files.path)/one.json", "\(files.path)/one.json")
            try Data(Files.phases.replacing("transformer_2", with: "transformer").utf8).write(
                to: URL(fileURLWithPath: "\(files.path)/one.json"))
        }
        #expect(try frames(model) == frames(expected))
        // Its own weights are the teacher's, by which it is run unless something is put on them.
        let alone = try Pipeline(ModelFiles(folder: folder), compute: compute)
        #expect(alone.id == "Wan" && alone.generators.defaultName == "teacher")
        #expect(try ModelFiles(folder: folder).missing() == [])
        try FileManager.default.removeItem(atPath: "\(folder)/Wan2.1_VAE.pth")
        try FileManager.default.removeItem(atPath: "\(folder)/google/umt5-xxl/tokenizer.json")
        try FileManager.default.removeItem(atPath: "\(folder)/google/umt5-xxl/spiece.model")
        #expect(try ModelFiles(folder: folder).missing().map(\.part) == ["tokenizer", "vae"])
    }

    /// An encoder without a tokenizer, in itself or beside it, or with one that is damaged: the message says where to get one.
    @Test(arguments: [false, true]) func aMissingTokenizerIsNamed(isDamaged: Bool) throws {
        let files = try Files()
        var model = files.model()
        model.experts = ["transformer": "\(fixture)/transformer", "transformer_2": "\(fixture)/transformer_2"]
        model.vae = "\(fixture)/vae"
        model.textEncoder = "\(files.path)/umt5.safetensors"
        if isDamaged {
            try Self.writeText(to: "\(files.path)/umt5.safetensors", spiece: [0, 0, 0])
        } else {
            try Self.write("text_encoder", to: "\(files.path)/umt5.safetensors") { $0 }
        }
        let message = "\(try #require(#expect(throws: (any Error).self) { try Pipeline(model, compute: compute) }))"
        for word in ["umt5.safetensors", "--tokenizer", "google/umt5-xxl"] {
            #expect(message.contains(word), "\(message)")
        }
        #expect(!message.contains("\(fixture)/transformer"))
    }

    /// One file with everything in it, as ComfyUI saves checkpoints; the tokenizer beside it.
    @Test func oneFileForAll() throws {
        let files = try Files()
        var expected = files.model(folder: fixture)
        expected.experts["transformer_2"] = "\(fixture)/transformer"
        let transformer = Dictionary(
            uniqueKeysWithValues: try Self.map("transformer_key_map.json").map { ($1, $0) })
        let vae = Dictionary(uniqueKeysWithValues: try Self.map("vae_key_map.json").map { ($1, $0) })
        var weights: [String: Weight] = [:]
        for (key, weight) in try Checkpoint(folder: "\(fixture)/transformer").tensors {
            weights["model.diffusion_model." + (try #require(transformer[key]))] = weight
        }
        for (key, weight) in try Checkpoint(folder: "\(fixture)/vae").tensors {
            weights["vae." + (try #require(vae[key]))] = weight
        }
        for (key, weight) in try Checkpoint(folder: "\(fixture)/text_encoder").tensors {
            weights["text_encoders.umt5xxl.transformer.\(key)"] = weight
        }
        let path = "\(files.path)/all.safetensors"
        let writer = try WeightFileWriter(
            path: path, format: .safetensors,
            entries: weights.map { .init(name: $0, type: $1.type, shape: $1.shape) })
        for entry in writer.entries { try writer.append(try #require(weights[entry.name]).bytes) }
        try writer.finish()
        try FileManager.default.copyItem(atPath: "\(fixture)/tokenizer", toPath: "\(files.path)/tokenizer")
        var model = files.model(folder: fixture)
        model.experts = ["transformer": path, "transformer_2": path]
        model.textEncoder = path
        model.vae = path
        #expect(try frames(model) == (try frames(expected)))
    }

    // MARK: Files that do not fit

    @Test func widthAloneDoesNotTellHeads() throws {
        let files = try Files()
        var model = files.model()
        model.experts = [
            "transformer": "\(fixture)/original_format/high_noise_model/diffusion_pytorch_model.safetensors"
        ]
        model.experts["transformer_2"] = model.experts["transformer"]
        model.textEncoder = "\(fixture)/text_encoder"
        model.tokenizer = "\(fixture)/tokenizer"
        model.vae = "\(fixture)/vae"
        let error = #expect(throws: (any Error).self) { try Pipeline(model, compute: compute) }
        #expect("\(try #require(error))".contains("width of 60"))
    }

    @Test func partsThatAreSomethingElseAreNamed() throws {
        let files = try Files()
        var swapped = files.model(folder: fixture)
        swapped.vae = "\(fixture)/text_encoder"
        var message = "\(try #require(#expect(throws: (any Error).self) { try Pipeline(swapped, compute: compute) }))"
        #expect(message.contains("text_encoder") && message.contains("UMT5") && message.contains("VAE"), "\(message)")
        var adapter = files.model(folder: fixture)
        adapter.experts["transformer"] = "\(fixture)/lora/high_noise_lightning.safetensors"
        message = "\(try #require(#expect(throws: (any Error).self) { try Pipeline(adapter, compute: compute) }))"
        #expect(message.contains("LoRA"), "\(message)")
        var incomplete = files.model()
        incomplete.experts["transformer"] = "\(fixture)/transformer"
        incomplete.textEncoder = "\(fixture)/text_encoder"
        incomplete.tokenizer = "\(fixture)/tokenizer"
        message = "\(try #require(#expect(throws: (any Error).self) { try Pipeline(incomplete, compute: compute) }))"
        #expect(message.contains("transformer_2"), "\(message)")
    }

    /// Qwen-Image of parts that are named one by one, an expert of GGUF among them, makes what its folder makes.
    @Test func qwenImageOfNamedParts() throws {
        let text = try Checkpoint(folder: "\(qwenFixture)/transformer")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let expert = "\(folder)/qwen-image-bf16.gguf"
        let config = try String(contentsOfFile: "\(qwenFixture)/transformer/config.json", encoding: .utf8)
        let writer = try WeightFileWriter(
            path: expert, format: .gguf,
            entries: text.tensors.map {
                .init(name: "model.diffusion_model.\($0)", type: $1.type, shape: $1.shape)
            },
            metadata: [
                "general.architecture": "qwen_image", Checkpoint.Configuration.metadataKey: config,
            ])
        for entry in writer.entries {
            let name = String(entry.name.dropFirst("model.diffusion_model.".count))
            try writer.append(try #require(text.tensors[name]).bytes)
        }
        try writer.finish()

        var files = ModelFiles()
        files.experts = ["transformer": expert]
        files.textEncoder = "\(qwenFixture)/text_encoder"
        files.tokenizer = "\(qwenFixture)/tokenizer"
        files.vae = "\(qwenFixture)/vae"
        let named = try Pipeline(files, compute: compute)
        #expect(named.generators.generators.map(\.name) == ["student", "teacher"])
        #expect(!named.sizes.makesClips && !named.traits.guidesWithoutNegativePrompt)
        let identity = try FileIdentity.all(in: Checkpoint(path: expert))
        #expect(identity.map(\.architecture) == ["qwen_image"])

        let whole = try Pipeline(folder: qwenFixture, compute: compute)
        var results: [[Float]] = []
        for pipeline in [named, whole] {
            let one = try pipeline.encodedRun(
                "a cat on a table", seed: 4, width: 64, height: 32, steps: 3, guidanceScale: 1)
            // The same sigmas: those of the folder's own generator depend on the size.
            let student = try named.generators.generator(nil)
            var run = Run(
                try Generation(
                    seed: 4, latent: one.generation.latent, generator: student,
                    schedule: student.schedule(steps: 3, tokens: 8), guidance: one.generation.guidance),
                of: pipeline, generator: student.name, texts: one.texts, prompted: one.prompted)
            try run.finishSteps()
            results.append(run.generation.latent.array)
        }
        let areSame = results[0] == results[1]
        #expect(areSame)
    }
}
