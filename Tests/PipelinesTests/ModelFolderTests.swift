import Diffusion
import Foundation
import Models
import Pipelines
import Tensor
import Testing
import Weights

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

    /// One expert "a" for everything, which is `expert` and what may follow it among the experts.
    private static func adapted(_ expert: String) -> String {
        #"{"default":"a","experts":{"a":\#(expert)},"generators":{"a":{"sampler":"euler","sigmas":[1,0.9,0.4],"#
            + #""phases":[{"name":"all","sigma":[0,1],"expert":"a"}]}}}"#
    }

    static let damages: [Damage] = [
        Damage("no index", ["no model_index.json"]) { try $0.remove("model_index.json") },
        Damage("modular repository", ["modular_model_index.json", "model_index.json"]) {
            try $0.rename("model_index.json", to: "modular_model_index.json")
        },
        Damage("original repository", ["vae is missing"]) {
            try $0.remove("model_index.json")
            try $0.remove("vae")
            try $0.rename("transformer", to: "high_noise_model")
            try $0.rename("transformer_2", to: "low_noise_model")
        },
        Damage("few-step class", ["WanDMDPipeline", "--phases"]) {
            try $0.replace("\"WanPipeline", with: "\"WanDMDPipeline", in: "model_index.json")
        },
        Damage("index is no JSON", ["model_index.json", "not a JSON object"]) { try $0.write("{", "model_index.json") },
        Damage("another pipeline", ["not supported", "FluxPipeline"]) {
            try $0.replace("WanPipeline", with: "FluxPipeline", in: "model_index.json")
        },
        Damage("another network of the family", ["transformer", "not supported", "text-to-video", "(I2V)"]) {
            try $0.replace("WanPipeline", with: "WanImageToVideoPipeline", in: "model_index.json")
        },
        Damage("a VACE pipeline", ["not supported", "WanVACEPipeline", "WanImageToVideoPipeline"]) {
            try $0.replace("WanPipeline", with: "WanVACEPipeline", in: "model_index.json")
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
        Damage("a causal student", ["transformer_2/config.json", "not supported", "CausalWanTransformer3DModel"]) {
            try $0.replace(
                "\"WanTransformer3DModel\"", with: "\"CausalWanTransformer3DModel\"", in: "transformer_2/config.json")
        },
        Damage("FastVideo's sparse attention", ["not supported", "to_gate_compress"]) {
            try $0.add("blocks.0.to_gate_compress.weight", to: "transformer_2")
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
        Damage("adapted expert without its file", ["lora/none.safetensors", "read"]) {
            try $0.write(adapted(#"{"base":"transformer","loras":[{"file":"lora/none.safetensors"}]}"#), "phases.json")
        },
        Damage("adapted expert of an unknown base", ["transformer_3"]) {
            try $0.write(adapted(#"{"base":"transformer_3","loras":[]}"#), "phases.json")
        },
        Damage("adapted expert of itself", ["experts.a.base", "'a' must be a folder"]) {
            try $0.write(adapted(#"{"base":"a","loras":[]}"#), "phases.json")
        },
        Damage("LoRA outside the folder", ["experts.a.loras[0].file", "../x.safetensors"]) {
            try $0.write(adapted(#"{"base":"transformer","loras":[{"file":"../x.safetensors"}]}"#), "phases.json")
        },
        Damage("adapted expert with a misspelt key", ["experts.a", "lora_files"]) {
            try $0.write(adapted(#"{"base":"transformer","lora_files":[]}"#), "phases.json")
        },
        Damage("adapted expert that no phase names", ["experts.b", "no phase"]) {
            try $0.write(adapted(#"{"base":"transformer","loras":[]},"b":{"base":"transformer"}"#), "phases.json")
        },
        Damage("expert outside the folder", ["../transformer"]) {
            try $0.write(phases(#"{"name":"all","sigma":[0,1],"expert":"../transformer"}"#), "phases.json")
        },
    ]

    @Test(arguments: damages) func damagedFolderSaysWhatIsWrong(damage: Damage) throws {
        try expectRefusal(of: ModelCopy(), damage)
    }

    private func expectRefusal(of model: ModelCopy, _ damage: Damage) throws {
        try damage.apply(model)
        let error = #expect(throws: (any Error).self) {
            try Pipeline(folder: model.path, compute: Compute(threads: 1))
        }
        let message = "\(try #require(error))"
        for word in damage.expected { #expect(message.contains(word), "\(damage.testDescription): \(message)") }
    }

    static let imageToVideoDamages: [Damage] = [
        Damage("Wan2.1's image encoder", ["not supported", "Wan2.1", "CLIP", "Wan2.2-I2V-A14B"]) {
            let index = try String(contentsOfFile: "\($0.path)/model_index.json", encoding: .utf8)
            var fields = try #require(
                JSONSerialization.jsonObject(with: Data(index.utf8)) as? [String: Any])
            fields["image_encoder"] = ["transformers", "CLIPVisionModel"]
            let text = try JSONSerialization.data(withJSONObject: fields)
            try $0.write(String(decoding: text, as: UTF8.self), "model_index.json")
        },
        Damage("Wan2.1's network", ["transformer/config.json", "Wan2.1", "CLIP"]) {
            try $0.replace("\"image_dim\": null", with: "\"image_dim\": 1280", in: "transformer/config.json")
        },
        Damage("the 5B model's VAE", ["16 channels", "48"]) { model in
            try model.remove("vae")
            try FileManager.default.copyItem(
                atPath: "\(textImageToVideoFixture)/vae", toPath: "\(model.path)/vae")
        },
    ]

    @Test(arguments: imageToVideoDamages) func damagedImageToVideoFolderSaysWhatIsWrong(damage: Damage) throws {
        try expectRefusal(of: ModelCopy(imageToVideoFixture), damage)
    }

    /// The class alone does not tell.
    @Test(arguments: ["WanPipeline", "WanImageToVideoPipeline"])
    func timesForTokensTellTheFamily(name: String) throws {
        let model = try ModelCopy(textImageToVideoFixture)
        try model.write(
            String(contentsOfFile: "\(model.path)/model_index.json", encoding: .utf8)
                .replacing("\"WanPipeline\"", with: "\"\(name)\""), "model_index.json")
        let pipeline = try Pipeline(folder: model.path, compute: Compute(threads: 1))
        #expect(pipeline.traits.pictures == PictureInputs(first: .optional))
        #expect(pipeline.sizes.sideMultiple == 32 && pipeline.sizes.defaultFrames == 121)
        #expect(pipeline.generators.generators.map(\.name) == ["default", "fastwan", "turbo"])
        #expect(pipeline.latentShape(width: 1280, height: 704, frames: 121) == [48, 31, 44, 80])
    }

    /// FastVideo's class names its student, whose steps come first.
    @Test func fastVideosClassIsItsStudent() throws {
        let model = try ModelCopy(textImageToVideoFixture)
        try model.replace("\"WanPipeline\"", with: "\"WanDMDPipeline\"", in: "model_index.json")
        let pipeline = try Pipeline(folder: model.path, compute: Compute(threads: 1))
        #expect(pipeline.generators.defaultName == "fastwan")
        #expect(pipeline.generators.generators.map(\.name) == ["fastwan", "turbo"])
        #expect(try pipeline.generators.generator(nil).schedule(steps: nil, tokens: 0).timesteps == [1000, 757, 522])
    }

    /// The teacher's folder as it is published: its scheduler's file has a number that JSON has not.
    @Test func sanasFolderOpens() throws {
        let model = try ModelCopy(sanaFixture)
        for part in ["scheduler", "transformer"] {
            try model.remove(part)
            try model.rename("teacher/\(part)", to: part)
        }
        try model.replace("SanaSprintPipeline", with: "SanaPipeline", in: "model_index.json")
        let scheduler = "\(model.path)/scheduler/scheduler_config.json"
        #expect(try String(contentsOfFile: scheduler, encoding: .utf8).contains("-Infinity"))
        let pipeline = try Pipeline(folder: model.path, compute: Compute(threads: 1))
        #expect(pipeline.generators.generators.map(\.name) == ["teacher"])
        #expect(try pipeline.generators.generator(nil).schedule(steps: nil, tokens: 0).count == 20)
    }

    /// A fine-tuned SDXL with a solver that is not built samples as the base does, and says so.
    @Test func anotherSolversFolderOpens() throws {
        let model = try ModelCopy(sdxlFixture)
        let file = "scheduler/scheduler_config.json"
        try model.replace("EulerDiscreteScheduler", with: "DPMSolverMultistepScheduler", in: file)
        let pipeline = try Pipeline(folder: model.path, compute: Compute(threads: 1))
        #expect(pipeline.generators.defaultName == "teacher")
        #expect(pipeline.generators.note?.contains("DPMSolverMultistepScheduler") == true)
        #expect(try pipeline.generators.generator("dmd2").sampler == .renoise)
    }

    /// Few steps come first where LoRA files are named.
    @Test func aStudentIsTheDefaultWithLoRAs() throws {
        var files = ModelFiles(folder: textImageToVideoFixture)
        files.adapters = [
            ModelFiles.AdapterFile(
                expert: "transformer", path: "\(textImageToVideoFixture)/lora/lightning.safetensors", strength: 1)
        ]
        let pipeline = try Pipeline(files, compute: Compute(threads: 1))
        #expect(pipeline.generators.defaultName == "turbo")
        #expect(pipeline.generators.generators.count == 3)
    }

    /// A LoRA file that names no expert is for a model's only one.
    @Test func anExpertIsNamedWhereThereAreSeveral() throws {
        func opened(_ folder: String, _ lora: String, expert: String?) throws -> Pipeline {
            var files = ModelFiles(folder: folder)
            files.adapters = [
                ModelFiles.AdapterFile(expert: expert, path: "\(folder)/lora/\(lora).safetensors", strength: 0.7)
            ]
            return try Pipeline(files, compute: Compute(threads: 1))
        }
        let only = try opened(sdxlFixture, "kohya", expert: nil),
            named = try opened(sdxlFixture, "kohya", expert: "unet")
        #expect(only.identity(of: "unet") == named.identity(of: "unet"))
        #expect(
            try only.identity(of: "unet")
                != Pipeline(folder: sdxlFixture, compute: Compute(threads: 1)).identity(of: "unet"))
        let error = #expect(throws: ModelError.self) {
            try opened(imageToVideoFixture, "high_noise_lightning", expert: nil)
        }
        #expect("\(try #require(error))".contains("say for which expert it is, e.g. transformer=FILE"))
    }

    @Test func aModelThatStartsFromAPictureSaysThatItNeedsOne() throws {
        let pipeline = try Pipeline(folder: imageToVideoFixture, compute: Compute(threads: 1))
        var run = try Run(
            GenerationParameters(prompt: "", width: 48, height: 32, frames: 5, steps: 2), of: pipeline)
        try run.encodeTexts { try pipeline.encode($0, by: $1) }
        let error = #expect(throws: ModelError.self) { try run.finishSteps() }
        #expect("\(try #require(error))".contains("starts from a picture"))
    }

    @Test func absentFolderIsNamed() throws {
        let error = #expect(throws: ModelError.self) {
            try Pipeline(folder: "/nonexistent/model", compute: Compute(threads: 1))
        }
        #expect("\(try #require(error))".contains("/nonexistent/model"))
    }

    static let qwenDamages: [Damage] = [
        Damage("a student that is told two times", ["not supported", "TwinFlow"]) {
            try $0.add("time_text_embed_2.timestep_embedder.linear_1.weight", to: "transformer")
        },
        Damage("editing pipeline", ["not supported", "QwenImageEditPipeline", "QwenImagePipeline"]) {
            try $0.replace("\"QwenImagePipeline", with: "\"QwenImageEditPipeline", in: "model_index.json")
        },
        Damage("another kind of transformer", ["transformer/config.json", "zero_cond_t"]) {
            try $0.replace("\"zero_cond_t\": false", with: "\"zero_cond_t\": true", in: "transformer/config.json")
        },
        Damage("axes that do not fill a head", ["axes_dims_rope", "24"]) {
            try $0.replace("    10\n", with: "    8\n", in: "transformer/config.json")
        },
        Damage("other dims", ["img_in.weight", "[96, 64]", "[72, 64]"]) {
            try $0.replace(
                "\"num_attention_heads\": 3", with: "\"num_attention_heads\": 4", in: "transformer/config.json")
        },
        Damage("vae of other channels", ["vae", "input_channels"]) {
            try $0.replace("\"input_channels\": 3", with: "\"input_channels\": 4", in: "vae/config.json")
        },
        Damage("text encoder of another width", ["text_encoder", "embed_tokens.weight"]) {
            try $0.replace("\"hidden_size\": 48", with: "\"hidden_size\": 96", in: "text_encoder/config.json")
        },
        Damage("heads that keys do not divide", ["text_encoder/config.json", "num_key_value_heads"]) {
            try $0.replace("_key_value_heads\": 2", with: "_key_value_heads\": 3", in: "text_encoder/config.json")
        },
        Damage("stretched rope", ["text_encoder/config.json", "yarn"]) {
            try $0.replace(
                "\"rope_type\": \"default\"", with: "\"rope_type\": \"yarn\"", in: "text_encoder/config.json")
        },
        Damage("no vocabulary", ["vocab.json"]) {
            try $0.remove("tokenizer/tokenizer.json")
            try $0.remove("tokenizer/vocab.json")
        },
        Damage("defaults of a clip", ["defaults.frames", "single pictures"]) {
            let phases = phases(#"{"name":"all","sigma":[0,1],"expert":"transformer"}"#)
            try $0.write(
                phases.replacing("{\"default\":", with: defaults + "\"default\":", maxReplacements: 1), "phases.json")
        },
    ]
    private static let defaults = #"{"defaults":{"width":64,"height":64,"frames":17,"fps":8},"#

    @Test(arguments: qwenDamages) func damagedQwenFolderSaysWhatIsWrong(damage: Damage) throws {
        try expectRefusal(of: ModelCopy(qwenFixture), damage)
    }

    @Test(arguments: [fixture, imageToVideoFixture, textImageToVideoFixture, qwenFixture, sanaFixture])
    func everyKeyOfThePipelineIsUsed(folder: String) throws {
        let pipeline = try Pipeline(folder: folder, compute: Compute(threads: 1))
        for component in pipeline.components { #expect(component.unusedKeys == [], "\(component.name)") }
        #expect(pipeline.unreadWeights == [])
        let experts = folder == fixture || folder == imageToVideoFixture ? 2 : 1
        #expect(pipeline.generators.generators.allSatisfy { $0.plan.phases.count == experts })
    }

    /// Of the networks alone: text encoders come with heads and towers that no pipeline reads.
    @Test func weightsOfNoLayerAreTold() throws {
        let model = try ModelCopy(zImageFixture)
        try model.add("other_embedder.weight", to: "transformer")
        try model.add("lm_head.weight", to: "text_encoder")
        let told = try Pipeline(folder: model.path, compute: Compute(threads: 1)).unreadWeights
        #expect(told.count == 1)
        #expect(told.first?.hasPrefix("transformer: 1 of its weights") == true)
        #expect(told.first?.hasSuffix("other_embedder.weight") == true)
    }

    @Test func qwenMakesSinglePictures() throws {
        let pipeline = try Pipeline(folder: qwenFixture, compute: Compute(threads: 1))
        #expect(pipeline.sizes.sideMultiple == 16)
        #expect(pipeline.sizes.defaultWidth == 1024 && pipeline.sizes.defaultHeight == 1024)
        #expect(pipeline.sizes.refusal(width: 1024, height: 1024) == nil)
        #expect(pipeline.sizes.refusal(frames: 1) == nil)
        for frames in [0, 2, 5] { #expect(pipeline.sizes.refusal(frames: frames)?.contains("single") == true) }
        #expect(pipeline.latentShape(width: 64, height: 96, frames: 1) == [64, 1, 6, 4])
    }

    /// Newer transformers write `model.language_model.`; a folder that someone else saved must open alike.
    @Test func qwenTextEncoderUnderItsOtherName() throws {
        let model = try ModelCopy(qwenFixture)
        let weights = try Checkpoint(folder: "\(qwenFixture)/text_encoder").tensors.map { key, weight in
            (key.replacing("model.", with: "model.language_model.", maxReplacements: 1), weight.widened())
        }
        for file in try FileManager.default.contentsOfDirectory(atPath: "\(model.path)/text_encoder")
        where file.hasPrefix("model") { try model.remove("text_encoder/\(file)") }
        try SafetensorsWriter.write(weights, to: "\(model.path)/text_encoder/model.safetensors")
        let (one, other) = (
            try Pipeline(folder: qwenFixture, compute: Compute(threads: 1)),
            try Pipeline(folder: model.path, compute: Compute(threads: 1))
        )
        let rows = try one.encode("a cat").rows.array
        let others = try other.encode("a cat").rows.array
        #expect(others == rows)
    }
}
