import Diffusion
import Foundation
import Models
import Pipelines
import Tensor
import Testing
import Weights

/// LoRA files on text encoders. What they give is held against the reference libraries by `phasor verify`; here are the ways on
/// which a file gets there.
@Suite struct TextLoRATests {
    private let compute = Compute(threads: 2)
    private let prompt = "a robot gardener"
    private static let folder = "\(sdxlFixture)/lora"

    private func pipeline(_ adapters: [(file: String, strength: Float)] = [], phases: String? = nil) throws -> Pipeline
    {
        var files = ModelFiles(folder: sdxlFixture)
        files.adapters = adapters.map {
            ModelFiles.AdapterFile(expert: "unet", path: "\(Self.folder)/\($0.file).safetensors", strength: $0.strength)
        }
        files.loras = Self.folder
        files.phases = phases
        return try Pipeline(files, compute: compute)
    }

    private func values(_ conditioning: Conditioning) -> [[Float]] {
        conditioning.tensors.sorted { $0.key < $1.key }.map(\.value.array)
    }

    private func run(_ pipeline: Pipeline, _ loras: [LoRA] = [], generator: String? = nil) throws -> Run {
        let settled = try pipeline.settle(loras, generator: generator)
        return try Run(
            GenerationParameters(prompt: prompt, width: 32, height: 32, seed: 3, generator: generator), of: pipeline,
            loras: settled)
    }

    private func text(_ pipeline: Pipeline, _ loras: [LoRA] = [], generator: String? = nil) throws -> [[Float]] {
        let run = try run(pipeline, loras, generator: generator)
        return values(try pipeline.encode(prompt, by: run.textSide))
    }

    @Test func aRequestsFileIsThatOfAModelOpenedWithIt() throws {
        let plain = try pipeline()
        let bare = try text(plain)
        let whole = try text(plain, [LoRA(name: "kohya_text")])
        let half = try text(plain, [LoRA(name: "kohya_text", strength: 0.5)])
        #expect(try whole == text(pipeline([("kohya_text", 1)])))
        #expect(try half == text(pipeline([("kohya_text", 0.5)])))
        #expect(
            try text(plain, [LoRA(name: "kohya_text"), LoRA(name: "kohya_text", strength: 0.5)])
                == text(pipeline([("kohya_text", 1)]), [LoRA(name: "kohya_text", strength: 0.5)]))
        #expect(whole != bare && half != bare && half != whole)
        // Both encoders and the vector of the text are changed.
        #expect(zip(whole, bare).allSatisfy { $0 != $1 })
        // The encoders that the model has mapped are not touched.
        #expect(try text(plain) == bare)
        #expect(try text(plain, [LoRA(name: "kohya_text", strength: 0)]) == bare)
    }

    /// What an embedding is known by tells all of these apart, and does not tell apart what is the same.
    @Test func identitiesTellWhatATextIsEncodedBy() throws {
        let plain = try pipeline()
        func identity(_ pipeline: Pipeline, _ loras: LoRA...) throws -> String {
            pipeline.identity(of: try run(pipeline, loras).textSide)
        }
        let opened = try pipeline([("kohya_text", 1)])
        let all = [
            try identity(plain), try identity(plain, LoRA(name: "kohya_text")),
            try identity(plain, LoRA(name: "kohya_text", strength: 0.5)),
            try identity(opened, LoRA(name: "kohya_text")),
        ]
        #expect(Set(all).count == all.count)
        #expect(try identity(plain, LoRA(name: "kohya_conv")) == all[0])
        #expect(try identity(pipeline([("kohya_conv", 1)])) == all[0])
        #expect(try identity(opened) == all[1])
        // What files, sidecars and checkpoints of jobs say of the model's own.
        #expect(opened.identities(of: try opened.generators.generator(nil).plan)["text_encoder"] == all[1])
    }

    /// A file that one generator of a `phases.json` has changes the texts of that one.
    @Test func anExpertsOwnFileChangesItsGeneratorsTexts() throws {
        let copy = try ModelCopy(sdxlFixture)
        try copy.write(
            """
            {"default": "plain",
             "experts": {"adapted": {"base": "unet", "loras": [{"file": "lora/kohya_text.safetensors", "strength": 0.5}]}},
             "generators": {
              "plain": {"sampler": "euler", "discrete": {"times": "trailing", "steps": 2},
                "phases": [{"name": "all", "sigma": [0, 1], "expert": "unet", "guidance_scale": 0}]},
              "adapted": {"sampler": "tcd", "discrete": {"times": "consistency", "steps": 2, "eta": 0.3},
                "phases": [{"name": "all", "sigma": [0, 1], "expert": "adapted", "guidance_scale": 0}]}}}
            """, "phases.json")
        let model = try Pipeline(folder: copy.path, compute: compute)
        #expect(try text(model) == text(pipeline()))
        #expect(try text(model, generator: "adapted") == text(pipeline([("kohya_text", 0.5)])))
        func identity(_ generator: String) throws -> String? {
            model.identities(of: try model.generators.generator(generator).plan)["text_encoder"]
        }
        #expect(try identity("plain") != identity("adapted"))
    }

    /// A file for text encoders alone leaves the network as it is.
    @Test func aFileMayBeForTextAlone() throws {
        let file = try Checkpoint(file: "\(Self.folder)/kohya_text.safetensors")
        let copy = try ModelCopy(sdxlFixture)
        let path = "\(copy.path)/lora/only.safetensors"
        try SafetensorsWriter.write(
            file.tensors.filter { $0.key.hasPrefix("lora_te") }.map { ($0, $1.widened()) }, to: path)
        var files = ModelFiles(folder: copy.path)
        files.loras = "\(copy.path)/lora"
        let model = try Pipeline(files, compute: compute)
        let settled = try model.settle([LoRA(name: "only")], generator: nil)
        #expect(settled.byExpert.isEmpty && settled.text.map(\.name) == ["only"])
        #expect(try text(model, [LoRA(name: "only")]) == text(model, [LoRA(name: "kohya_text")]))
        files.adapters = [ModelFiles.AdapterFile(expert: "unet", path: path, strength: 1)]
        let opened = try Pipeline(files, compute: compute)
        #expect(try text(opened) == text(model, [LoRA(name: "only")]))
        let plain = try pipeline()
        #expect(opened.identity(of: "unet") != "" && plain.identity(of: "unet") != "")
    }

    /// Files of another text encoder fail with the module's name, those of a third with its place.
    @Test func whatDoesNotFitIsRefused() throws {
        let copy = try ModelCopy(sdxlFixture)
        func message(_ stem: String, _ inputs: Int) throws -> String {
            try SafetensorsWriter.write(
                [
                    ("\(stem).lora_down.weight", Tensor(zeros: [2, inputs])),
                    ("\(stem).lora_up.weight", Tensor(zeros: [inputs, 2])),
                ], to: "\(copy.path)/lora/wrong.safetensors")
            var files = ModelFiles(folder: copy.path)
            files.loras = "\(copy.path)/lora"
            let model = try Pipeline(files, compute: compute)
            let error = #expect(throws: ModelError.self) {
                try model.settle([LoRA(name: "wrong")], generator: nil)
            }
            return "\(try #require(error))"
        }
        let third = try message("lora_te3_encoder_block_0_layer_0_SelfAttention_q", 8)
        #expect(third.contains("wrong.safetensors") && third.contains("text encoder 3"), "\(third)")
        let unknown = try message("lora_te1_text_model_encoder_layers_9_self_attn_q_proj", 20)
        #expect(unknown.contains("layers_9"), "\(unknown)")
        let wide = try message("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", 24)
        #expect(wide.contains("[24, 24]") && wide.contains("[20, 20]"), "\(wide)")
    }
}
