import Hub
import Testing

@Suite struct SelectionTests {
    private func chosen(
        _ paths: [String], _ name: String = "a/b", _ change: (inout FileSelection) -> Void = { _ in }
    ) throws -> Set<String> {
        let files = paths.map {
            RemoteFile(path: $0, size: 1, digest: .git(String(repeating: "0", count: 40)))
        }
        let listing = RepositoryListing(
            name: try RepositoryName(name), commit: String(repeating: "1", count: 40), files: files)
        var selection = FileSelection()
        change(&selection)
        return Set(try selection.files(of: listing).map(\.path))
    }

    /// Stable Diffusion XL as it is published: every component in two types and four formats.
    private let sdxl = [
        "model_index.json", "README.md", "sd_xl_base_1.0.safetensors", "01.png",
        "scheduler/scheduler_config.json", "tokenizer/merges.txt", "tokenizer/vocab.json",
        "tokenizer/tokenizer_config.json", "text_encoder/config.json", "text_encoder/flax_model.msgpack",
        "text_encoder/model.fp16.safetensors", "text_encoder/model.onnx", "text_encoder/model.safetensors",
        "text_encoder/openvino_model.bin", "text_encoder/openvino_model.xml", "text_encoder/pytorch_model.bin",
        "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.safetensors", "vae_1_0/diffusion_pytorch_model.safetensors",
        "vae/config.json", "vae/diffusion_pytorch_model.bin",
    ]
    private let components: Set<String> = ["scheduler", "tokenizer", "text_encoder", "unet", "vae"]

    @Test func oneTypeAndOneFormatOfEachComponent() throws {
        let common: Set<String> = [
            "model_index.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt", "tokenizer/vocab.json",
            "tokenizer/tokenizer_config.json", "text_encoder/config.json", "unet/config.json", "vae/config.json",
            "vae/diffusion_pytorch_model.bin",
        ]
        #expect(
            try chosen(sdxl) { $0.components = components }
                == common.union(["text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors"]))
        #expect(
            try chosen(sdxl) {
                $0.components = components
                $0.variant = "fp16"
            }
                == common.union([
                    "text_encoder/model.fp16.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
                ]))
    }

    @Test func shardsComeWithTheirIndex() throws {
        let shards = ["t/model-00001-of-00002.safetensors", "t/model-00002-of-00002.safetensors"]
        let narrow = ["t/model.fp16-00001-of-00001.safetensors", "t/model.safetensors.index.fp16.json"]
        let all =
            ["model_index.json", "t/config.json", "t/model.safetensors.index.json", "t/model.safetensors"] + shards
            + narrow
        #expect(
            try chosen(all) { $0.components = ["t"] }
                == Set(["model_index.json", "t/config.json", "t/model.safetensors.index.json"] + shards))
        #expect(
            try chosen(all) {
                $0.components = ["t"]
                $0.variant = "fp16"
            } == Set(["model_index.json", "t/config.json"] + narrow))
    }

    @Test func onlyAnotherTypeIsTaken() throws {
        #expect(
            try chosen(["config.json", "model.fp16.safetensors", "notes.md"])
                == ["config.json", "model.fp16.safetensors"])
    }

    @Test func filesThatAreNamed() throws {
        let files = ["High/x-Q4_K_M.gguf", "High/x-Q8_0.gguf", "Low/x-Q4_K_M.gguf", "README.md"]
        #expect(try chosen(files, "a/b/High/x-Q8_0.gguf") == ["High/x-Q8_0.gguf"])
        #expect(try chosen(files, "a/b/*Q4_K_M*") == ["High/x-Q4_K_M.gguf", "Low/x-Q4_K_M.gguf"])
        #expect(try chosen(files, "a/b/High") == ["High/x-Q4_K_M.gguf", "High/x-Q8_0.gguf"])
        let error = #expect(throws: HubError.self) { try chosen(files, "a/b/y.gguf") }
        #expect("\(error.map { "\($0)" } ?? "")".contains("High/x-Q4_K_M.gguf"))
    }

    @Test func severalToChooseFromAreTold() throws {
        let error = #expect(throws: HubError.self) { try chosen(["x-Q4_K_M.gguf", "x-Q8_0.gguf", "README.md"]) }
        #expect("\(error.map { "\($0)" } ?? "")".contains("x-Q8_0.gguf  (1 bytes)"))
        #expect(try chosen(["x.gguf", "README.md"]) == ["x.gguf"])
        #expect(throws: HubError.nothingToRead(repository: "a/b")) { try chosen(["README.md", "x.onnx"]) }
    }

    /// Wan2.2-T2V-A14B as its authors have it, with what a model is not read from.
    @Test func authorsOwnRepositories() throws {
        let read = [
            "high_noise_model/config.json", "high_noise_model/x-00001-of-00001.safetensors",
            "low_noise_model/config.json", "models_t5_umt5-xxl-enc-bf16.pth", "Wan2.1_VAE.pth",
            "google/umt5-xxl/tokenizer.json",
        ]
        let paths = ["high_noise_model", "low_noise_model", "models_t5_umt5-xxl-enc-bf16.pth", "Wan2.1_VAE.pth"]
        #expect(
            try chosen(read + ["assets/x.png", "README.md", "xlm-roberta-large/x.json"]) {
                $0.originalPaths = paths + ["google/umt5-xxl", "diffusion_pytorch_model*", "config.json"]
            } == Set(read))
    }

    @Test func componentsOfAnIndex() throws {
        let index =
            #"{"_class_name":"P","boundary_ratio":0.9,"vae":["diffusers","V"],"image_encoder":[null,null],"x":null}"#
        #expect(try FileSelection.components(of: Array(index.utf8), repository: "a/b") == ["vae"])
        #expect(throws: HubError.self) { try FileSelection.components(of: Array("[]".utf8), repository: "a/b") }
        #expect(throws: HubError.self) { try FileSelection.components(of: [], repository: "a/b") }
    }
}
