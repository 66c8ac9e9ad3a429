extension QwenImageFamily {
    var knownSets: [KnownSet] {
        [
            KnownSet(
                name: "qwen-image-lightning", family: name, makes: "pictures, 4 steps", licence: "Apache-2.0",
                variants: [("Q8_0", 21_800, 8_099, 32), ("Q4_K_M", 13_070, 4_683, 20)].map {
                    (type, network, text, memory) in
                    KnownSet.Variant(
                        name: type,
                        files: [
                            KnownSet.File(
                                .expert("transformer"), "city96/Qwen-Image-gguf/qwen-image-\(type).gguf", network),
                            KnownSet.File(
                                .textEncoder,
                                "unsloth/Qwen2.5-VL-7B-Instruct-GGUF/Qwen2.5-VL-7B-Instruct-\(type).gguf", text),
                            KnownSet.File(
                                .vae, "Comfy-Org/Qwen-Image_ComfyUI/split_files/vae/qwen_image_vae.safetensors", 254),
                            KnownSet.File(
                                .lora("transformer"),
                                "lightx2v/Qwen-Image-Lightning/Qwen-Image-Lightning-4steps-V2.0-bf16.safetensors", 850),
                        ], memory: memory)
                })
        ]
    }
}
