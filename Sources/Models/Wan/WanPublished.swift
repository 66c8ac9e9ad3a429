import Diffusion

/// What Wan's pipelines sample by where a folder does not say it, and the published files that are known to work together.
extension WanFamily {
    func published(_ index: ModelIndex, experts: Int) -> PublishedSampling { .wan(experts: experts, guided: [4, 3]) }

    var knownSets: [KnownSet] {
        [
            KnownSet(
                name: "wan2.2-t2v-lightning", family: name, makes: "clips and pictures, 4 steps by two experts",
                licence: "Apache-2.0",
                variants: [
                    .wan("T2V", "Q8_0", 15_400, lightning: "V1.1", text: .umt5("Q8_0", 6_040), memory: 24),
                    .wan("T2V", "Q4_K_M", 9_650, lightning: "V1.1", text: .umt5("Q8_0", 6_040), memory: 16),
                    .wan("T2V", "Q3_K_S", 6_510, lightning: "V1.1", text: .umt5("Q4_K_M", 3_660), memory: 12),
                ])
        ]
    }
}

extension WanImageToVideoFamily {
    func published(_ index: ModelIndex, experts: Int) -> PublishedSampling {
        .wan(experts: experts, guided: [3.5, 3.5])
    }

    var knownSets: [KnownSet] {
        [
            KnownSet(
                name: "wan2.2-i2v-lightning", family: name, makes: "clips from a picture, 4 steps by two experts",
                licence: "Apache-2.0",
                variants: [.wan("I2V", "Q4_K_M", 9_650, lightning: "V1", text: .umt5("Q8_0", 6_040), memory: 16)])
        ]
    }
}

extension PublishedSampling {
    /// - Parameter guided: guidance of two experts; one alone has 5, and ten steps more.
    fileprivate static func wan(experts: Int, guided: [Float]) -> PublishedSampling {
        experts > 1
            ? PublishedSampling(steps: 40, guidanceScales: guided) : PublishedSampling(steps: 50, guidanceScales: [5])
    }
}

extension KnownSet.Variant {
    /// Both experts of Wan2.2-A14B in that type, with Lightning's LoRA on each.
    fileprivate static func wan(
        _ kind: String, _ type: String, _ megabytes: Int, lightning: String, text: KnownSet.File, memory: Int
    ) -> KnownSet.Variant {
        let halves = [("high", "High"), ("low", "Low")].flatMap { half, name in
            [
                KnownSet.File(
                    .expert(half),
                    "QuantStack/Wan2.2-\(kind)-A14B-GGUF/\(name)Noise/Wan2.2-\(kind)-A14B-\(name)Noise-\(type).gguf",
                    megabytes),
                KnownSet.File(
                    .lora(half),
                    "lightx2v/Wan2.2-Lightning/Wan2.2-\(kind)-A14B-4steps-lora-rank64-Seko-\(lightning)/\(half)_noise_model.safetensors",
                    1_227),
            ]
        }
        let vae = KnownSet.File(
            .vae, "Comfy-Org/Wan_2.2_ComfyUI_Repackaged/split_files/vae/wan_2.1_vae.safetensors", 254)
        return KnownSet.Variant(name: type, files: halves + [vae, text], memory: memory)
    }
}

extension KnownSet.File {
    fileprivate static func umt5(_ type: String, _ megabytes: Int) -> KnownSet.File {
        KnownSet.File(.textEncoder, "city96/umt5-xxl-encoder-gguf/umt5-xxl-encoder-\(type).gguf", megabytes)
    }
}
