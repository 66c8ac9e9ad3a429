import Diffusion
import Tensor
import Weights

/// Wan2.1 and Wan2.2, text to video.
struct WanFamily: WanNetworkFamily {
    let name = "wan22"
    let kind = "text-to-video"
    let hasTwoExperts = true
    let traits = FamilyTraits(
        guidance: .classifierFree, guidesWithoutNegativePrompt: true,
        // The published models' own.
        defaults: SizeLimits.Defaults(width: 832, height: 480, frames: 81, fps: 16), tiny: .clips("taew2_1"))

    let pipelineClasses = ["WanPipeline"]

    func runs(_ index: ModelIndex) -> Bool {
        pipelineClasses.contains(index.pipelineClass) && !index.expandsTimesteps
    }

    /// The layout of all families over the network: two folders for two experts, shards in the repository's own folder
    /// for one.
    let originalLayout: OriginalLayout? = {
        let text = ["pth", "safetensors"].map { OriginalLayout.Place.path("models_t5_umt5-xxl-enc-bf16.\($0)") }
        let vae = ["Wan2.1_VAE", "Wan2.2_VAE"].flatMap { name in
            ["pth", "safetensors"].map { OriginalLayout.Place.path("\(name).\($0)") }
        }
        return OriginalLayout(
            marks: ["high_noise_model", "models_t5_umt5-xxl-enc-bf16.pth", "Wan2.1_VAE.pth", "Wan2.2_VAE.pth"],
            parts: [
                ("transformer", [.path("high_noise_model"), .root(stem: "diffusion_pytorch_model")]),
                ("transformer_2", [.path("low_noise_model")]),
                ("text_encoder", text), ("vae", vae), ("tokenizer", [.path("google/umt5-xxl")]),
            ])
    }()

    /// - Parameter name: of a class that neither this nor the other families of the network run.
    func refusal(ofPipelineClass name: String) -> String? {
        guard name.hasPrefix("Wan") else { return nil }
        if name == "WanDMDPipeline" {
            return "of FastVideo's students FastWan2.2-TI2V-5B runs (expand_timesteps); those of Wan2.1 were trained "
                + "with a sparse attention that is not built, and one without it runs by its parts (--expert, "
                + "--text-encoder, --tokenizer, --vae) with its steps in --phases"
        }
        return name == "WanImageToVideoPipeline"
            ? WanRelatives.clipRefusal
            : "of the Wan family text to video (WanPipeline) and image to video (WanImageToVideoPipeline) run"
    }

    /// The text side and the autoencoder are those of all families over the network.
    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity] {
        try [transformer(checkpoint), UMT5Encoder.recognise(checkpoint), WanVAE.recognise(checkpoint)].compactMap(
            \.self)
    }

    /// What the other families do not take.
    func recognises(inputs: Int, outputs: Int) -> Bool {
        !WanImageToVideoFamily().recognises(inputs: inputs, outputs: outputs)
            && !WanTextImageToVideoFamily().recognises(inputs: inputs, outputs: outputs)
    }

    func addedChannels(latent: Int) -> Int { 0 }

    /// Lightning's and Phased DMD's four steps; diffusers' UniPC with the published guidance. Wan2.2 has two experts, which
    /// meet at 0.875; Wan2.1 has one.
    func generators(experts: Int) throws -> [GeneratorSpec] {
        let boundary = experts > 1 ? 0.875 : nil
        let teacher =
            if let boundary {
                try PhasePlan(boundary: boundary, guidanceScales: (4, 3))
            } else {
                try PhasePlan(expert: "transformer", guidanceScale: 5)
            }
        return [
            try .distilled(steps: 4, shift: 5, boundary: boundary),
            try GeneratorSpec(
                name: "teacher", sampler: .uniPC, grid: .uniPCFlow(steps: experts > 1 ? 40 : 50, shift: 3),
                plan: teacher),
        ]
    }
}
